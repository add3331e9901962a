package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/agent"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/collection"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/durable"
	"codeberg.org/tbfg/tbfg/daemon/events"
	"codeberg.org/tbfg/tbfg/daemon/hooks"
	"codeberg.org/tbfg/tbfg/daemon/memory"
	"codeberg.org/tbfg/tbfg/daemon/metrics"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/daemon/publish"
	"codeberg.org/tbfg/tbfg/daemon/secrets"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/shepherd"

	"github.com/urfave/cli/v2"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "run the farm: coordinator, log endpoint and, if wanted, an agent",
		Description: `Without a configuration file everything has a default; "tbfg config show"
prints it. A whole farm on one machine, as root or as a user that may talk to
the guix-daemon and write the state directory:

   tbfg serve --state-dir=/var/lib/tbfg --local-agent`,
		Flags: append(logFlags(), configFlag(),
			&cli.StringFlag{Name: "state-dir", Usage: "`DIRECTORY` for database, logs and secrets", DefaultText: defaultStateDir},
			&cli.StringFlag{Name: "pid-file", Usage: "`FILE` to write the process id to when all is ready"},
			&cli.BoolFlag{Name: "local-agent", Usage: "also build on this machine"}),
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0); err != nil {
				return err
			}
			file := configFile(c)
			read := func() (config.Config, error) { return serveConfig(c, file) }
			conf, err := read()
			if err != nil {
				return err
			}
			return serve(c.Context, conf, &live{file: file, read: read}, newLogger(c, conf.LogLevel))
		},
	}
}

// serveConfig reads a configuration file and applies the options.
func serveConfig(c *cli.Context, file string) (config.Config, error) {
	conf, err := loadConfigFile(c, file)
	if err != nil {
		return conf, err
	}
	if c.IsSet("pid-file") {
		conf.PIDFile = c.String("pid-file")
	}
	if c.IsSet("local-agent") {
		conf.LocalAgent.Enabled = c.Bool("local-agent")
	}
	return conf, nil
}

// serve runs the farm until ctx ends.
func serve(ctx context.Context, conf config.Config, l *live, log *slog.Logger) (err error) {
	memory.Save(ctx)
	f, err := openFarm(ctx, conf, l, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	return runReady(ctx, conf.PIDFile, f.health, f.run)
}

// farm is the coordinator with all that surrounds it in one process.
type farm struct {
	conf        config.Config // at the start
	live        *live         // and now
	log         *slog.Logger
	store       *datastore.Store
	secrets     *secrets.Dir
	coordinator *coordinator.Coordinator
	metrics     *metrics.Metrics
	runner      *hooks.Runner      // the last one; changed by apply
	hooks       chan *hooks.Runner // and, if it does not run yet, here
	keeper      *collection.Keeper
	events      *events.Stream
	front       *frontDoor
	clientToken *heeded[string]
	signingKey  *heeded[*narinfo.SigningKey]
	servers     []*endpoint
	failed      chan error                  // of servers
	agentURL    string                      // where the local agent finds the coordinator
	local       atomic.Pointer[agent.Agent] // nil while there is none
	localConf   chan config.Config          // changes of what it is to do
}

// openFarm opens the state and listens.
func openFarm(ctx context.Context, conf config.Config, l *live, log *slog.Logger) (f *farm, err error) {
	f = &farm{conf: conf, live: l, log: log, metrics: metrics.New(), hooks: make(chan *hooks.Runner, 1),
		localConf: make(chan config.Config, 1), failed: make(chan error, 16)}
	l.log, l.running, l.apply = log, conf, f.apply
	l.status = wire.ConfigStatus{File: l.file}
	f.runner = hooksOf(conf, f.metrics.HookTold, log)
	f.hooks <- f.runner
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	sockets, err := shepherd.Inherit()
	if err != nil {
		return f, err
	}
	if err := durable.MkdirAll(conf.StateDir, 0o755); err != nil {
		return f, fmt.Errorf("make the state directory: %w", err)
	}
	if f.store, err = datastore.Open(ctx, databaseOf(conf)); err != nil {
		return f, err
	}
	logs, err := buildlog.Open(filepath.Join(conf.StateDir, "build-logs"), conf.Coordinator.MaxLogSize)
	if err != nil {
		return f, err
	}
	if f.secrets, err = secrets.Open(secretsDir(conf)); err != nil {
		return f, err
	}
	if err := f.openKeys(ctx); err != nil {
		return f, err
	}
	f.checkSecrets()
	f.coordinator, err = coordinator.Open(ctx, coordinator.Config{
		Store: f.store, Logs: logs, Outputs: outputs.New(filepath.Join(conf.StateDir, "builds"), conf.Coordinator.MaxOutputSize),
		Read: readDerivation, Fetch: fetchDerivation(), Settings: settingsOf(conf, f.runner), Observe: f.metrics, Now: time.Now, Log: log,
	})
	if err != nil {
		return f, err
	}
	if err := f.declare(ctx, conf.Agents); err != nil {
		return f, err
	}
	if f.keeper, err = openKeeper(ctx, f.coordinator, conf, logs, log); err != nil {
		return f, err
	}
	f.events = events.New(f.coordinator, time.Duration(conf.Coordinator.EventKeepAlive), log)
	f.front = &frontDoor{logs: logs, farm: f.coordinator, signer: publish.Signer{Key: f.signingKey.value, Host: hostname()}}
	f.front.use(conf)
	f.watch()
	metrics := f.metrics.Handler()
	guard := clientapi.Guard{Token: f.clientToken.value, Hosts: append([]string{hostname()}, conf.Coordinator.ClientHosts...)}
	agents := agentapi.Handler(f.coordinator, metrics)
	if conf.Coordinator.PublicReads {
		agents = clientapi.PublicReads(f.coordinator, f.events, agents)
	}
	clients := clientapi.Handler(f.coordinator, f.events, f, metrics, f.keeper.Routes())
	for _, s := range []struct {
		name      string
		addresses []string
		handler   http.Handler
	}{
		{"agent", conf.Coordinator.AgentListen, agents},
		{"client", conf.Coordinator.ClientListen, guard.Protect(clients)},
		{"front", conf.Front.Listen, withReports(f.front, f.keeper)},
	} {
		if err := f.listen(ctx, sockets, s.name, s.addresses, s.handler); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *farm) close() error {
	for _, s := range f.servers {
		s.Close()
	}
	var errs []error
	if f.keeper != nil {
		errs = append(errs, f.keeper.Close())
	}
	if f.coordinator != nil {
		f.coordinator.Close()
	}
	if f.store != nil {
		errs = append(errs, f.store.Close())
	}
	return errors.Join(errs...)
}

// watch adds to the metrics what is asked for when somebody looks.
func (f *farm) watch() {
	f.metrics.Watch(f.coordinator, metrics.Surroundings{
		DatabaseSizes: f.store.Sizes,
		DiskFree:      func() (int64, error) { return freeIn(f.conf.StateDir) },
		Listeners:     f.events.Followers,
		Now:           time.Now,
	})
}

// hostname is what the local agent is called if it has no other name.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "local"
	}
	return name
}
