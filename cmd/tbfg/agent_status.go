package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/agent"

	"github.com/urfave/cli/v2"
)

func agentStatusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "ask the agents of this machine what they do",
		Description: `Asks the agent inside "tbfg serve" and that of "tbfg agent run", as the user
that runs it or as root, whether the coordinator is there or not. One that
was started with other directories is named by its socket:

   tbfg agent status --socket=/var/cache/tbfg-agent/UUID/agent.sock`,
		Flags: []cli.Flag{configFlag(), jsonFlag(),
			&cli.StringFlag{Name: "state-dir", Usage: "`DIRECTORY` of \"tbfg serve\"", DefaultText: "the configuration's state_dir"},
			&cli.StringFlag{Name: "socket", Usage: "`FILE` that is the agent's socket, in its spool directory", DefaultText: "those of the usual directories"}},
		Action: agentStatus,
	}
}

func agentStatus(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	sockets := []string{c.String("socket")}
	if !c.IsSet("socket") {
		conf, err := loadConfig(c)
		if err != nil {
			return err
		}
		sockets = agentSockets(conf)
	}
	var reports []agent.Report
	var failed error
	for _, socket := range sockets {
		r, err := agent.Ask(c.Context, socket)
		switch {
		case err == nil:
			reports = append(reports, r)
		case c.IsSet("socket") || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED):
			failed = errors.Join(failed, err)
		}
	}
	if reports == nil {
		if failed == nil {
			failed = errors.New("no agent runs here, or it runs with other directories: name its socket with --socket")
		}
		return failed
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, reports)
	}
	for _, r := range reports {
		printAgentReport(c.App.Writer, r)
	}
	return nil
}

// agentSockets are where agents with this configuration answer: the farm's
// own one, and those of other users' defaults.
func agentSockets(conf config.Config) []string {
	sockets := []string{filepath.Join(conf.StateDir, localSpool, agent.ControlSocket)}
	if conf.Agent.SpoolDir != "" {
		return append(sockets, filepath.Join(conf.Agent.SpoolDir, agent.ControlSocket))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		more, _ := filepath.Glob(filepath.Join(cache, "tbfg-agent", "*", agent.ControlSocket))
		sockets = append(sockets, more...)
	}
	return sockets
}

func printAgentReport(w io.Writer, r agent.Report) {
	contact := "none yet"
	if !r.LastContact.IsZero() {
		contact = r.LastContact.UTC().Format(time.DateTime)
	}
	fmt.Fprintf(w, "agent %s: %s\n", r.UUID, r.Status)
	fmt.Fprintf(w, "  coordinator:   %s\n", r.Coordinator)
	fmt.Fprintf(w, "  last contact:  %s\n", contact)
	fmt.Fprintf(w, "  running since: %s\n", r.Since.UTC().Format(time.DateTime))
	busy := ""
	if r.Load > r.MaxLoad {
		busy = fmt.Sprintf(", above max_1min_load_average (%.2f): no build starts", r.MaxLoad)
	}
	fmt.Fprintf(w, "  load average:  %.2f%s\n", r.Load, busy)
	fmt.Fprintf(w, "  spool:         %s\n", mebibytes(r.SpoolBytes))
	for _, d := range r.Disks {
		low := ""
		if d.Free < r.MinFree {
			low = fmt.Sprintf(", less than min_free_space (%s)", mebibytes(r.MinFree))
		}
		fmt.Fprintf(w, "  %s has %s free%s\n", d.Directory, mebibytes(d.Free), low)
	}
	if len(r.Builds) == 0 {
		fmt.Fprintln(w, "  no builds")
	}
	for _, b := range r.Builds {
		fmt.Fprintf(w, "  %s  %-10s since %s\n    %s\n", b.UUID, b.Phase, b.Since.UTC().Format(time.DateTime), b.Derivation)
	}
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MB", n>>20) }
