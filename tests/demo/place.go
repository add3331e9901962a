package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/tests/machine"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// A place is where the farm lives: a file system with a store, and the
// guix-daemon that builds in it.
type place struct {
	conn *guixdaemon.Conn // protects what the demo adds to the store
	shop *toy.Shop

	// socket is the daemon's address as a program in the place sees it;
	// empty for the usual one.
	socket string
	// dir is a directory for the farm's files as a program in the place sees
	// it, and path is the name here of any file there.
	dir  string
	path func(inside string) string
	// command prepares a program of the place to run there.
	command func(ctx context.Context, name string, args ...string) *exec.Cmd
	// note is what people should know of it; it may be empty.
	note string

	undo stack
}

func (p *place) close() error { return p.undo.unwind() }

// errNoDaemon is for when nothing answers, which is no surprise.
var errNoDaemon = errors.New("none answers")

// findPlace is this machine, if a guix-daemon answers, or else a new one.
func findPlace(ctx context.Context, out *screen, work *workshop) (*place, error) {
	p, err := thisMachine(ctx, out, work)
	if err == nil {
		return p, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	why := "No guix-daemon runs on this machine"
	if !errors.Is(err, errNoDaemon) || os.Getenv("GUIX_DAEMON_SOCKET") != "" {
		why = fmt.Sprintf("The guix-daemon cannot be used (%v)", err)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New(why + ", and only root can set one up")
	}
	out.say(why + ", so the farm gets a machine of its own:")
	return newMachine(ctx, out, work)
}

// thisMachine is the place of a guix-daemon that runs already.
func thisMachine(ctx context.Context, out *screen, work *workshop) (p *place, err error) {
	p = &place{
		socket:  os.Getenv("GUIX_DAEMON_SOCKET"),
		dir:     work.dir,
		path:    func(name string) string { return name },
		command: command,
		note:    "What was built stays in the store until the next \"guix gc\".",
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	answer, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := guixdaemon.Dial(answer, "")
	if err != nil {
		return p, fmt.Errorf("%w: %w", errNoDaemon, err)
	}
	out.say("A guix-daemon runs on this machine; the farm will build with it.")
	root, err := findTools(ctx, out, work)
	if err != nil {
		return p, errors.Join(err, conn.Close())
	}
	if err := p.open(ctx, conn, root); err != nil {
		return p, err
	}
	// A daemon elsewhere would do for the builds, but agent and coordinator read the store.
	if _, err := os.Stat(string(p.shop.Tools())); err != nil {
		return p, fmt.Errorf("its store is not on this machine: %w", err)
	}
	return p, nil
}

// newMachine is a machine of the demo's own, made with tests/guix-root.
func newMachine(ctx context.Context, out *screen, work *workshop) (p *place, err error) {
	out.say("an overlay over a directory tree with Guix, made of Debian packages.",
		"The first time this takes a minute or two.")
	tree, err := sourceTree(ctx)
	if err != nil {
		return nil, err
	}
	root, err := work.run(command(ctx, filepath.Join(tree, "tests/guix-root")), "guix-root.log", "guix-root: ",
		func(line string) {
			if ctx.Err() == nil { // otherwise it tells what we know
				out.say("  " + line)
			}
		})
	if err != nil {
		return nil, err
	}
	m, err := machine.Start(ctx, root)
	if err != nil {
		return nil, err
	}
	p = &place{dir: "/var/lib/tbfg-demo", path: m.Path, command: m.Command}
	p.undo.push(m.Close)
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	version, err := m.Run(ctx, "guix-daemon", "--version")
	if err != nil {
		return p, err
	}
	// Not by m.Daemon: this log is to outlive the machine.
	daemon, err := machine.Launch(m.Command(context.Background(), "guix-daemon",
		"--build-users-group=guixbuild", "--no-substitutes"), work.file("guix-daemon.log"))
	if err != nil {
		return p, err
	}
	p.undo.push(func() error { daemon.Stop(5 * time.Second); return nil })
	if err := daemon.WaitAccept(ctx, "unix", m.Socket()); err != nil {
		return p, err
	}
	conn, err := guixdaemon.Dial(ctx, m.Socket())
	if err != nil {
		return p, err
	}
	version, _, _ = strings.Cut(version, "\n")
	out.say("", "Running: "+version)
	out.field("machine", m.Path("/"))
	out.field("log", daemon.Log)
	return p, p.open(ctx, conn, m.Path("/"))
}

// open makes derivations possible, with the tools below root.
func (p *place) open(ctx context.Context, conn *guixdaemon.Conn, root string) (err error) {
	p.conn = conn
	p.undo.push(conn.Close)
	// Otherwise the daemon would look for other machines to build on.
	if err := conn.SetOptions(ctx, guixdaemon.Options{Offload: false}); err != nil {
		return err
	}
	p.shop, err = toy.Open(ctx, conn, root)
	return err
}

// sourceTree is the directory of go.mod.
func sourceTree(ctx context.Context) (string, error) {
	dir, err := command(ctx, "go", "list", "-f", "{{.Module.Dir}}", programPackage).Output()
	if err != nil {
		return "", fmt.Errorf("find the source tree: %w", err)
	}
	return strings.TrimSpace(string(dir)), nil
}
