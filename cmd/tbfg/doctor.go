package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/doctor"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/urfave/cli/v2"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "look whether all is there that a farm needs, and say what to do",
		Description: `Looks at the configuration, the guix-daemon, the substitute servers and
whether their keys are authorized, the disk, the clock, the secrets' owner
and mode, whether BFFE follows the farm's events, and whether the farm
answers. It changes nothing. Run it as root or as the farm's user. The exit
status is 1 if something keeps the farm from its work.`,
		Flags: []cli.Flag{configFlag(), coordinatorFlag(), jsonFlag(),
			&cli.StringFlag{Name: "state-dir", Usage: "`DIRECTORY` in the place of the configuration's state_dir"}},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0); err != nil {
				return err
			}
			findings := examine(c)
			if c.Bool("json") {
				if err := printJSON(c.App.Writer, findings); err != nil {
					return err
				}
			} else {
				printFindings(c.App.Writer, findings)
			}
			if slices.ContainsFunc(findings, func(f doctor.Finding) bool { return f.Level == doctor.Wrong }) {
				return errQuiet
			}
			return nil
		},
	}
}

// examine makes all the checks.
func examine(c *cli.Context) []doctor.Finding {
	conf, err := loadConfig(c)
	if err != nil {
		return []doctor.Finding{{Level: doctor.Wrong, Check: "configuration", Found: err.Error(), Do: "mend it; \"tbfg config show\" has every key with its meaning"}}
	}
	file := configFile(c)
	if file == "" {
		file = "there is no file; the defaults are in effect"
	}
	findings := []doctor.Finding{{Level: doctor.Fine, Check: "configuration", Found: file}}
	if conf.LocalAgent.Enabled {
		findings = append(findings, doctor.GuixDaemon(c.Context, conf.LocalAgent.DaemonSocket))
	}
	findings = append(findings, examineServers(c.Context, conf, client(c))...)
	findings = append(findings, examineState(conf)...)
	if conf.Front.BFFE != "" {
		findings = append(findings, examineBFFE(c.Context, conf, client(c)))
	}
	for _, e := range []struct {
		name      string
		addresses []string
	}{{"agents", conf.Coordinator.AgentListen}, {"clients", conf.Coordinator.ClientListen}, {"front", conf.Front.Listen}} {
		for _, address := range e.addresses {
			findings = append(findings, doctor.Endpoint(c.Context, e.name, address))
		}
	}
	return findings
}

// examineServers looks at every substitute server once. Who signs shows on
// derivations that the farm knows.
func examineServers(ctx context.Context, conf config.Config, farm *clientapi.Client) (findings []doctor.Finding) {
	keys, err := doctor.Keys(narinfo.ACL())
	if errors.Is(err, fs.ErrNotExist) {
		keys = []string{}
	}
	var sample []storepath.Path
	// A farm that does not run is found out elsewhere.
	_ = farm.Builds(ctx, nil, maxSample, func(b wire.Build) error {
		sample = append(sample, b.Derivation)
		return nil
	})
	urls := slices.Concat(conf.Coordinator.DerivationURLs, conf.LocalAgent.DerivationURLs, conf.LocalAgent.InputURLs)
	slices.Sort(urls)
	for _, url := range slices.Compact(urls) {
		findings = append(findings, doctor.Substitutes(ctx, doctor.Server{URL: url, Keys: keys, Sample: sample})...)
	}
	return findings
}

// examineBFFE looks at the front end, which learns of builds from the farm.
func examineBFFE(ctx context.Context, conf config.Config, farm *clientapi.Client) doctor.Finding {
	f := doctor.FrontEnd{URL: conf.Front.BFFE, Followers: -1, Events: eventsURL(conf.Coordinator),
		Own: slices.Concat(conf.Coordinator.AgentListen, conf.Coordinator.ClientListen, conf.Front.Listen)}
	if status, err := farm.Status(ctx); err == nil {
		f.Followers = status.Followers
	}
	return doctor.BFFE(ctx, f)
}

// eventsURL is where a front end on this machine, which shows no token, can
// follow the events; empty if it cannot.
func eventsURL(conf config.Coordinator) string {
	addresses := conf.ClientListen
	if conf.PublicReads {
		addresses = slices.Concat(addresses, conf.AgentListen)
	}
	for _, address := range addresses {
		host, port, _ := net.SplitHostPort(address) // it was validated
		switch ip := net.ParseIP(host); {
		case host == "" || host == "localhost" || host == "127.0.0.1" || ip.IsUnspecified():
			return "http://localhost:" + port
		case ip.IsLoopback():
			return "http://" + address
		}
	}
	return ""
}

// maxSample is how many derivations a server is asked for.
const maxSample = 3

// examineState looks at the state directory, whose owner the farm runs as.
func examineState(conf config.Config) []doctor.Finding {
	findings := []doctor.Finding{doctor.Disk("state", conf.StateDir, conf.Coordinator.MinFree)}
	if conf.LocalAgent.Enabled {
		findings = append(findings, doctor.Disk("store", string(storepath.DefaultDir), conf.Coordinator.MinFree))
	}
	info, err := os.Stat(conf.StateDir)
	if err != nil {
		return findings // said already
	}
	owner := info.Sys().(*syscall.Stat_t)
	return append(findings, doctor.Secrets(secretsDir(conf), int(owner.Uid), int(owner.Gid))...)
}

// printFindings prints a line for each.
func printFindings(w io.Writer, findings []doctor.Finding) {
	for _, f := range findings {
		line := fmt.Sprintf("%-4s  %-13s  %s", f.Level, f.Check, f.Found)
		if f.Do != "" {
			line += "; " + f.Do
		}
		fmt.Fprintln(w, strings.ReplaceAll(line, "\n", " | "))
	}
}
