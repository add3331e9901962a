package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// addTeam makes the derivations of all packages, by name. Each run makes
// others, so that nothing is there already.
func addTeam(ctx context.Context, p *place) (map[string]*toy.Drv, error) {
	run := map[string]string{"run": time.Now().Format(time.RFC3339Nano)}
	drvs := make(map[string]*toy.Drv, len(team))
	for _, one := range team {
		r := toy.Recipe{Name: one.name, Script: script(one), Env: run}
		for _, need := range one.needs {
			r.Inputs = append(r.Inputs, drvs[need])
		}
		if one.fate == wrongHash {
			r.HashAlgo, r.Hash = "sha256", fmt.Sprintf("%x", sha256.Sum256([]byte(promised)))
		}
		drv, err := p.shop.Add(ctx, r)
		if err != nil {
			return nil, err
		}
		drvs[one.name] = drv
	}
	return drvs, nil
}

// build submits the last package with all that it needs, and waits for the end.
func (f *farm) build(ctx context.Context, out *screen, drvs map[string]*toy.Drv) error {
	out.say("Each is a real derivation with real inputs. Some are broken on purpose:")
	for _, p := range team {
		if p.fate != nil {
			out.say(fmt.Sprintf("  %-20s%s", p.name, p.fate.plan))
		}
	}
	last := team[len(team)-1].name
	out.say("", "To build "+last+" is to build everything:")
	if err := f.tbfg(ctx, out, "build", "--with-inputs", string(drvs[last].Path)); err != nil {
		return err
	}
	out.say("")
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the builds did not end within %v", limit))
	defer cancel()
	err := f.tbfg(ctx, out, "build", "wait")
	var exit *exec.ExitError
	if ctx.Err() == nil && errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil // that is how it says that some failed; if it was anything else, the results tell
	}
	return err
}

// limit is far more than the builds take on a busy machine.
const limit = 5 * time.Minute

// tbfg runs a command on the farm as one would type it.
func (f *farm) tbfg(ctx context.Context, out *screen, args ...string) error {
	out.prompt(append([]string{"tbfg"}, args...))
	cmd := command(ctx, f.program, args...)
	cmd.Env = append(os.Environ(), "TBFG_COORDINATOR=http://"+f.clients, "TBFG_FRONT=http://"+f.logs)
	cmd.Stdout, cmd.Stderr = out.w, os.Stderr // a terminal, if it is one, for progress
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("tbfg %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// A result is what the farm says of a package's build.
type result struct {
	outcome
	uuid   string
	reason string // of a failure, in the daemon's words
}

// results asks the farm what became of each package.
func (f *farm) results(ctx context.Context, drvs map[string]*toy.Drv) (map[string]result, error) {
	packages := make(map[storepath.Path]string, len(drvs))
	for name, drv := range drvs {
		packages[drv.Path] = name
	}
	names := make(map[string]string) // of packages by the UUIDs of their builds
	var builds []wire.Build
	err := f.client.Builds(ctx, url.Values{}, 0, func(b wire.Build) error {
		name, ours := packages[b.Derivation]
		if !ours {
			return fmt.Errorf("the farm has a build of %s, for which nobody asked", b.Derivation)
		}
		names[b.UUID] = name
		builds = append(builds, b)
		return nil
	})
	if err != nil {
		return nil, err
	}
	results := make(map[string]result, len(builds))
	for _, b := range builds {
		r := result{outcome: outcome{state: b.State}, uuid: b.UUID}
		for _, uuid := range b.BlockedBy {
			r.by = append(r.by, names[uuid])
		}
		slices.Sort(r.by)
		if b.State == daemon.Failed {
			detail, err := f.client.Build(ctx, b.UUID)
			if err != nil {
				return nil, err
			}
			r.reason = detail.FailureReason
		}
		if _, twice := results[names[b.UUID]]; twice {
			return nil, fmt.Errorf("the farm has two builds of %s", names[b.UUID])
		}
		results[names[b.UUID]] = r
	}
	return results, nil
}
