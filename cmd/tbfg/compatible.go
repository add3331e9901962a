package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"codeberg.org/tbfg/tbfg/config"

	"github.com/urfave/cli/v2"
)

// The paths of the Guix Build Coordinator's service.
const (
	upstreamStateDir = "/var/lib/guix-build-coordinator"
	upstreamDatabase = "guix_build_coordinator.db"
)

// compatibleCoordinator makes the program behave as guix-build-coordinator:
// without a command it runs the coordinator, with upstream's options and
// paths.
func compatibleCoordinator(app *cli.App) {
	app.Name = "guix-build-coordinator"
	app.Usage = "the coordinator of a build farm, by tbfg"
	app.Description = "Without a command it runs the coordinator and a log endpoint."
	app.Flags = append(logFlags(),
		&cli.StringFlag{Name: "database", Usage: "`URI or file` of the database",
			DefaultText: "sqlite://" + upstreamStateDir + "/" + upstreamDatabase},
		&cli.StringFlag{Name: "agent-communication", Usage: "`URI` where agents connect", DefaultText: "http://0.0.0.0:8745"},
		&cli.StringFlag{Name: "client-communication", Usage: "`URI` for clients", DefaultText: "http://127.0.0.1:8746"},
		&cli.StringFlag{Name: "front-communication", Usage: "`URI` of the log endpoint, which upstream leaves to nginx", DefaultText: "http://127.0.0.1:8747"},
		&cli.StringFlag{Name: "pid-file", Usage: "`FILE` to write the process id to when all is ready"},
		&cli.BoolFlag{Name: "update-database", Usage: "has no effect: the database is always brought up to date"},
		&cli.GenericFlag{Name: "listen-repl", Value: new(ignored), Usage: "has no effect: there is no Guile to talk to"})
	app.Action = func(c *cli.Context) error {
		if c.Args().Present() {
			return needsCommand(c)
		}
		read := func() (config.Config, error) { return compatibleConfig(c) }
		conf, err := read()
		if err != nil {
			return err
		}
		return serve(c.Context, conf, &live{read: read}, newLogger(c, conf.LogLevel))
	}
	keep := app.Commands[:0]
	for _, command := range app.Commands {
		if command.Name == "agent" || command.Name == "build" {
			keep = append(keep, command)
		}
	}
	app.Commands = append(keep, dynamicAuthCommand())
}

// ignored is an option with or without a value that does not matter.
type ignored struct{}

func (*ignored) Set(string) error { return nil }
func (*ignored) String() string   { return "" }
func (*ignored) IsBoolFlag() bool { return true }

// compatibleConfig is the configuration that upstream's options stand for.
// The state lies where the database does.
func compatibleConfig(c *cli.Context) (config.Config, error) {
	database := filepath.Join(upstreamStateDir, upstreamDatabase)
	if given := c.String("database"); given != "" {
		database = strings.TrimPrefix(given, "sqlite://")
	}
	database, err := filepath.Abs(database)
	if err != nil {
		return config.Config{}, fmt.Errorf("find the database: %w", err)
	}
	conf := config.Default(filepath.Dir(database))
	conf.Coordinator.Database = database
	conf.PIDFile = c.String("pid-file")
	if level := c.String("log-level"); level != "" {
		conf.LogLevel = level
	}
	for flag, field := range map[string]*[]string{"agent-communication": &conf.Coordinator.AgentListen,
		"client-communication": &conf.Coordinator.ClientListen, "front-communication": &conf.Front.Listen} {
		if given := c.String(flag); given != "" {
			u, err := url.Parse(given)
			if err != nil || u.Scheme != "http" || u.Port() == "" {
				return conf, usagef("--%s must be a URI such as http://127.0.0.1:8746, not %q", flag, given)
			}
			*field = []string{u.Host}
		}
	}
	return conf, conf.Validate()
}

// compatibleAgent makes the program behave as guix-build-coordinator-agent.
func compatibleAgent(app *cli.App) {
	run := agentRunCommand()
	app.Name = "guix-build-coordinator-agent"
	app.Usage = "a build agent, by tbfg"
	app.Description = run.Description
	app.Flags = run.Flags
	app.Action = run.Action
	app.Commands = nil
}
