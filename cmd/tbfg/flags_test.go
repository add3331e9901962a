package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/config"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

// upstreamAgentFlags are the options of upstream's agent, from its service
// definition.
var upstreamAgentFlags = []string{"coordinator", "uuid", "password", "password-file", "name", "dynamic-auth-token",
	"dynamic-auth-token-file", "max-parallel-builds", "max-parallel-uploads", "max-allocated-builds", "max-1min-load-average",
	"derivation-substitute-urls", "non-derivation-substitute-urls", "system", "timestamp-log-output"}

// upstreamCoordinatorFlags are those of upstream's coordinator, as far as
// they are known.
var upstreamCoordinatorFlags = []string{"pid-file", "update-database", "database", "agent-communication", "client-communication", "listen-repl"}

func flagNames(flags []cli.Flag) (names []string) {
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	return names
}

func TestUpstreamsOptionsAreThere(t *testing.T) {
	for name, want := range map[string][]string{
		"guix-build-coordinator-agent": upstreamAgentFlags,
		"guix-build-coordinator":       upstreamCoordinatorFlags,
	} {
		have := flagNames(newApp(name).Flags)
		for _, flag := range want {
			if !slices.Contains(have, flag) {
				t.Errorf("%s: got %v, want --%s among them", name, have, flag)
			}
		}
	}
}

// keysWithoutFlag are the keys of the table [agent] that are for the
// configuration file only.
var keysWithoutFlag = map[string]string{
	"daemon_socket":      "the environment variable GUIX_DAEMON_SOCKET is known to everyone",
	"output_compression": "upstream has lzip only",
	"max_log_size":       "upstream has no limit",
	"spool_dir":          "it follows XDG_CACHE_HOME, which upstream's service sets",
}

// keysWithAnotherFlag are those whose option upstream gave another name.
var keysWithAnotherFlag = map[string]string{"systems": "system"}

func TestEveryKeyOfTheAgentHasItsOption(t *testing.T) {
	have := flagNames(newApp("guix-build-coordinator-agent").Flags)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Agent]()) {
		key := field.Tag.Get("toml")
		if key == "" {
			continue // the embedded Builder, whose fields are visible
		}
		flag := strings.ReplaceAll(key, "_", "-")
		if other, ok := keysWithAnotherFlag[key]; ok {
			flag = other
		}
		if _, deliberate := keysWithoutFlag[key]; deliberate == slices.Contains(have, flag) {
			t.Errorf("the key %s: got the options %v; want --%s among them: %t", key, have, flag, !deliberate)
		}
	}
}

// Each option changes what it is for and nothing else.
func TestOptionsOverrideTheConfiguration(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		change func(*config.Agent)
	}{
		{nil, func(*config.Agent) {}},
		{[]string{"--coordinator=https://coordinator.example"}, func(a *config.Agent) { a.Coordinator = "https://coordinator.example" }},
		{[]string{"--uuid=x"}, func(a *config.Agent) { a.UUID = "x" }},
		{[]string{"--password-file=/etc/passwd"}, func(a *config.Agent) { a.PasswordFile = "/etc/passwd" }},
		{[]string{"--system=x86_64-linux", "--system", "i686-linux"}, func(a *config.Agent) { a.Systems = []string{"x86_64-linux", "i686-linux"} }},
		{[]string{"--max-parallel-builds=4"}, func(a *config.Agent) { a.MaxParallelBuilds = 4 }},
		{[]string{"--max-parallel-uploads=3"}, func(a *config.Agent) { a.MaxParallelUploads = 3 }},
		{[]string{"--max-allocated-builds=8"}, func(a *config.Agent) { a.MaxAllocatedBuilds = 8 }},
		{[]string{"--max-1min-load-average=6"}, func(a *config.Agent) { a.MaxLoad = 6 }},
		{[]string{"--ca-file=/etc/ca.pem"}, func(a *config.Agent) { a.CAFile = "/etc/ca.pem" }},
		{[]string{"--name=cloud", "--dynamic-auth-token-file=/etc/token"}, func(a *config.Agent) { a.Name, a.TokenFile = "cloud", "/etc/token" }},
		{[]string{"--metrics-listen=127.0.0.1:9745"}, func(a *config.Agent) { a.Metrics = []string{"127.0.0.1:9745"} }},
		{[]string{"--cores=2"}, func(a *config.Agent) { a.Cores = 2 }},
		{[]string{"--build-timeout=2h"}, func(a *config.Agent) { a.BuildTimeout = config.Duration(2 * time.Hour) }},
		{[]string{"--max-silent-time=90s"}, func(a *config.Agent) { a.MaxSilentTime = config.Duration(90 * time.Second) }},
		{[]string{"--allow-existing-outputs"}, func(a *config.Agent) { a.AllowExisting = true }},
		{[]string{"--min-free-space=5"}, func(a *config.Agent) { a.MinFree = 5 }},
		{[]string{"--derivation-substitute-urls=https://one  http://two"}, func(a *config.Agent) {
			a.DerivationURLs = []string{"https://one", "http://two"}
		}},
		{[]string{"--non-derivation-substitute-urls=https://one"}, func(a *config.Agent) { a.InputURLs = []string{"https://one"} }},
		{[]string{"--non-derivation-substitute-urls="}, func(a *config.Agent) { a.InputURLs = []string{} }},
		{[]string{"--timestamp-log-output=false", "--log-level=debug"}, func(*config.Agent) {}},
	} {
		for _, words := range [][]string{{"guix-build-coordinator-agent"}, {"tbfg", "agent", "run"}} {
			got, want := config.Default("/").Agent, config.Default("/").Agent
			tt.change(&want)
			app := newApp(words[0])
			take := func(c *cli.Context) error {
				applyAgentFlags(c, &got)
				return nil
			}
			app.Action = take
			walk(app.Commands, nil, func(_ []string, c *cli.Command) { c.Action = take })
			if err := app.RunContext(t.Context(), slices.Concat(words, tt.args)); err != nil {
				t.Errorf("%v %v: got the error %v", words, tt.args, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v %v (-want +got)\n%s", words, tt.args, diff)
			}
		}
	}
}

func TestOptionsOfTheCompatibleCoordinator(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		change func(*config.Config)
		err    string
	}{
		{nil, func(*config.Config) {}, ""},
		{[]string{"--database=sqlite:///srv/farm/gbc.db"}, func(c *config.Config) {
			c.StateDir, c.Coordinator.Database = "/srv/farm", "/srv/farm/gbc.db"
		}, ""},
		{[]string{"--database=/srv/farm/gbc.db", "--update-database", "--listen-repl", "--listen-repl=37146", "--pid-file=/run/x"}, func(c *config.Config) {
			c.StateDir, c.Coordinator.Database, c.PIDFile = "/srv/farm", "/srv/farm/gbc.db", "/run/x"
		}, ""},
		{[]string{"--agent-communication=http://127.0.0.1:1", "--client-communication=http://[::1]:2", "--front-communication=http://0.0.0.0:3",
			"--log-level=debug"}, func(c *config.Config) {
			c.Coordinator.AgentListen, c.Coordinator.ClientListen = []string{"127.0.0.1:1"}, []string{"[::1]:2"}
			c.Front.Listen, c.LogLevel = []string{"0.0.0.0:3"}, "debug"
		}, ""},
		{[]string{"--agent-communication=https://127.0.0.1:1"}, nil, "--agent-communication must be a URI such as http://127.0.0.1:8746"},
		{[]string{"--agent-communication=127.0.0.1:1"}, nil, "--agent-communication must be a URI such as http://127.0.0.1:8746"},
		{[]string{"--client-communication=http://192.168.1.80:87460"}, nil, "coordinator.client_listen must have addresses"},
		{[]string{"--log-level=loud"}, nil, "log_level must be debug, info, warn or error"},
	} {
		var got config.Config
		app := newApp("guix-build-coordinator")
		app.Action = func(c *cli.Context) (err error) {
			got, err = compatibleConfig(c)
			return err
		}
		err := app.RunContext(t.Context(), append([]string{"guix-build-coordinator"}, tt.args...))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v: got the error %v, want %s", tt.args, err, tt.err)
			}
			continue
		}
		want := config.Default("/var/lib/guix-build-coordinator")
		want.Coordinator.Database = "/var/lib/guix-build-coordinator/guix_build_coordinator.db"
		tt.change(&want)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v: %v (-want +got)\n%s", tt.args, err, diff)
		}
	}
}
