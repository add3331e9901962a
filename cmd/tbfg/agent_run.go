package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/agent"
	"codeberg.org/tbfg/tbfg/daemon/substitutes"
	"codeberg.org/tbfg/tbfg/shepherd"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/urfave/cli/v2"
)

func agentRunCommand() *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "run an agent that builds for a coordinator",
		Description: `The agent fetches builds from the coordinator, has this machine's guix-daemon
build them, and reports. Options override the table [agent] of the
configuration file.`,
		Flags:  append(logFlags(), append(agentFlags(), configFlag())...),
		Action: agentRun,
	}
}

// agentFlags are the options of upstream's agent that say what it does.
func agentFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "coordinator", Usage: "`URL` of the coordinator", DefaultText: "http://localhost:8745"},
		&cli.StringFlag{Name: "ca-file", Usage: "`FILE` with the certificates of those that certify an https coordinator", DefaultText: "the system's"},
		&cli.StringFlag{Name: "uuid", Usage: "the agent's `UUID`"},
		&cli.StringFlag{Name: "password", Usage: "its `PASSWORD`, which others on this machine can see: better use --password-file"},
		&cli.StringFlag{Name: "password-file", Usage: "`FILE` with its password"},
		&cli.StringFlag{Name: "name", Usage: "its `NAME`, for an agent with a dynamic authentication token"},
		&cli.StringFlag{Name: "dynamic-auth-token", Usage: "`TOKEN` of an agent with a name"},
		&cli.StringFlag{Name: "dynamic-auth-token-file", Usage: "`FILE` with that token"},
		&cli.StringSliceFlag{Name: "system", Usage: "`SYSTEM` to build for; may be repeated", DefaultText: "this machine's"},
		&cli.IntFlag{Name: "max-parallel-builds", Usage: "`NUMBER` of builds at the same time", DefaultText: "half the processors"},
		&cli.IntFlag{Name: "max-parallel-uploads", Usage: "`NUMBER` of uploads at the same time", DefaultText: "1"},
		&cli.IntFlag{Name: "max-allocated-builds", Usage: "`NUMBER` of builds to hold in all", DefaultText: "twice as many as may run"},
		&cli.Float64Flag{Name: "max-1min-load-average", Usage: "start nothing while the load average is above `LOAD`", DefaultText: "the number of processors"},
		&cli.IntFlag{Name: "cores", Usage: "`NUMBER` of processors that one build may use", DefaultText: "the guix-daemon's"},
		&cli.DurationFlag{Name: "build-timeout", Usage: "`TIME` that a build may take, unless it has a tag \"timeout\"", DefaultText: "the guix-daemon's"},
		&cli.DurationFlag{Name: "max-silent-time", Usage: "`TIME` that a build may write nothing, unless it has a tag \"max-silent-time\"", DefaultText: "the guix-daemon's"},
		&cli.BoolFlag{Name: "allow-existing-outputs", Usage: "take outputs that are there already for built, instead of deleting them"},
		&cli.Int64Flag{Name: "min-free-space", Usage: "begin nothing while a disk has fewer `BYTES` free", DefaultText: "1 GiB"},
		&cli.StringSliceFlag{Name: "metrics-listen", Usage: "`ADDRESS` where to serve metrics for Prometheus, such as 127.0.0.1:9745; may be repeated", DefaultText: "none"},
		&cli.StringFlag{Name: "derivation-substitute-urls", Usage: "substitute servers for derivations, `URLS` separated by blanks"},
		&cli.StringFlag{Name: "non-derivation-substitute-urls", Usage: "substitute servers for everything else, `URLS` separated by blanks"},
	}
}

// applyAgentFlags overrides what the configuration says.
func applyAgentFlags(c *cli.Context, a *config.Agent) {
	for flag, field := range map[string]*string{"coordinator": &a.Coordinator, "ca-file": &a.CAFile, "uuid": &a.UUID,
		"password-file": &a.PasswordFile, "name": &a.Name, "dynamic-auth-token-file": &a.TokenFile} {
		if c.IsSet(flag) {
			*field = c.String(flag)
		}
	}
	for flag, field := range map[string]*int{"max-parallel-builds": &a.MaxParallelBuilds,
		"max-parallel-uploads": &a.MaxParallelUploads, "max-allocated-builds": &a.MaxAllocatedBuilds, "cores": &a.Cores} {
		if c.IsSet(flag) {
			*field = c.Int(flag)
		}
	}
	if c.IsSet("max-1min-load-average") {
		a.MaxLoad = c.Float64("max-1min-load-average")
	}
	for flag, field := range map[string]*config.Duration{"build-timeout": &a.BuildTimeout, "max-silent-time": &a.MaxSilentTime} {
		if c.IsSet(flag) {
			*field = config.Duration(c.Duration(flag))
		}
	}
	if c.IsSet("allow-existing-outputs") {
		a.AllowExisting = c.Bool("allow-existing-outputs")
	}
	if c.IsSet("min-free-space") {
		a.MinFree = c.Int64("min-free-space")
	}
	for flag, field := range map[string]*[]string{"system": &a.Systems, "metrics-listen": &a.Metrics} {
		if c.IsSet(flag) {
			*field = c.StringSlice(flag)
		}
	}
	for flag, field := range map[string]*[]string{"derivation-substitute-urls": &a.DerivationURLs,
		"non-derivation-substitute-urls": &a.InputURLs} {
		if c.IsSet(flag) {
			*field = splitURLs(c.String(flag))
		}
	}
}

func agentRun(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	conf, err := loadConfig(c)
	if err != nil {
		return err
	}
	applyAgentFlags(c, &conf.Agent)
	if err := conf.Validate(); err != nil {
		return err
	}
	log := newLogger(c, conf.LogLevel)
	base := agent.Config{Coordinator: conf.Agent.Coordinator, SpoolDir: conf.Agent.SpoolDir,
		Settings: builderSettings(conf.Agent.Builder, conf.Grace), Log: log}
	if base.Roots, err = rootsOf(conf.Agent); err != nil {
		return err
	}
	if usesToken(c, conf.Agent) {
		return runEnrolled(c, conf, base)
	}
	if base.UUID = conf.Agent.UUID; base.UUID == "" {
		return usagef("an agent needs its UUID: --uuid or the key agent.uuid")
	}
	if c.IsSet("password") {
		base.Password = c.String("password")
	} else if err := passwordOf(conf.Agent, &base); err != nil {
		return err
	}
	if base.SpoolDir == "" {
		if base.SpoolDir, err = defaultSpool(conf.Agent.UUID); err != nil {
			return err
		}
	}
	a, err := newAgent(conf.Agent.DaemonSocket, base)
	if err != nil {
		return err
	}
	return runReady(c.Context, conf.PIDFile, a.Health, func(ctx context.Context) error { return runAgent(ctx, conf.Agent, a) })
}

// runAgent runs an agent of "tbfg agent run" until ctx ends, with all that
// surrounds it.
func runAgent(ctx context.Context, conf config.Agent, a *agent.Agent) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if a.Reread != nil {
		go func() {
			if err := config.Watch(ctx, conf.PasswordFile, a.RereadPassword); err != nil {
				// It is read again when the coordinator refuses us.
				a.Log.Warn("a new password will be noticed late", "err", err)
			}
		}()
	}
	stop, err := serveMetrics(conf.Metrics, a)
	if err != nil {
		return err
	}
	defer stop()
	return a.Run(ctx)
}

// serveMetrics serves an agent's metrics at addresses until the returned
// function is called.
func serveMetrics(addresses []string, a *agent.Agent) (stop func(), err error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(a, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 5 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug)}
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			server.Close()
			return nil, fmt.Errorf("serve metrics: %w", err)
		}
		a.Log.Info("listening for metrics connections", "address", l.Addr())
		go func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				a.Log.Error("metrics are not served any more", "err", err)
			}
		}()
	}
	return func() { server.Close() }, nil
}

// passwordOf reads the agent's password, now and later.
func passwordOf(conf config.Agent, a *agent.Config) error {
	if conf.PasswordFile == "" {
		return usagef("an agent needs its password: --password-file or the key agent.password_file")
	}
	password, warning, err := config.ReadSecret(conf.PasswordFile)
	if warning != "" {
		a.Log.Warn(warning)
	}
	a.Password = password
	a.Reread = func() (string, error) {
		password, _, err := config.ReadSecret(conf.PasswordFile)
		return password, err
	}
	return err
}

// rootsOf are the authorities that certify the coordinator; nil are the
// system's.
func rootsOf(conf config.Agent) (*x509.CertPool, error) {
	if conf.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(conf.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the authorities' certificates: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read the authorities' certificates: there is none in %s; they must be in PEM form", conf.CAFile)
	}
	return roots, nil
}

// newAgent makes an agent for this machine.
func newAgent(daemonSocket string, a agent.Config) (*agent.Agent, error) {
	a.Daemon, a.Native, a.Narinfo = daemonSocket, config.HostSystem(), new(substitutes.Client).Narinfo
	return agent.New(a)
}

// builderSettings is what the configuration says of how an agent builds, and
// may change while it runs.
func builderSettings(b config.Builder, grace config.Duration) agent.Settings {
	s := agent.Settings{
		Systems:            b.BuildSystems(),
		MaxParallelBuilds:  b.Parallel(),
		MaxParallelUploads: b.MaxParallelUploads,
		MaxAllocatedBuilds: b.MaxAllocatedBuilds,
		MaxLoad:            b.MaxLoad,
		MinFree:            b.MinFree,
		Cores:              b.Cores,
		Timeout:            time.Duration(b.BuildTimeout),
		MaxSilentTime:      time.Duration(b.MaxSilentTime),
		AllowExisting:      b.AllowExisting,
		Compression:        b.Compression,
		MaxLogSize:         b.MaxLogSize,
		Grace:              time.Duration(grace),
	}
	if len(b.DerivationURLs) > 0 {
		s.DerivationURLs = b.DerivationURLs
	}
	if len(b.InputURLs) > 0 {
		s.InputURLs = b.InputURLs
	}
	return s
}

// defaultSpool is a directory of the agent's own in the cache directory.
func defaultSpool(uuid string) (string, error) {
	cache, err := os.UserCacheDir() // honours XDG_CACHE_HOME, which upstream's service sets
	if err != nil {
		return "", fmt.Errorf("no place for logs under way; set agent.spool_dir: %w", err)
	}
	return filepath.Join(cache, "tbfg-agent", uuid), nil
}

// runReady says that the process is ready, runs it, keeps its service manager
// informed, and says that it stops.
func runReady(ctx context.Context, pidFile string, health func() (line string, well bool), run func(context.Context) error) error {
	if err := shepherd.Ready(pidFile); err != nil {
		return err
	}
	telling, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go shepherd.Tell(telling, health)
	told := make(chan struct{})
	ran := context.AfterFunc(ctx, func() {
		defer close(told)
		if err := shepherd.Stopping(); err != nil {
			slog.Warn("cannot tell the service manager", "err", err)
		}
	})
	err := run(ctx)
	if !ran() {
		<-told
	}
	if stopped := shepherd.Stopped(pidFile); stopped != nil {
		slog.Warn("cannot tidy up", "err", stopped)
	}
	return err
}
