package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheDefaultsAreValid(t *testing.T) {
	c := Default(stateDir)
	if err := c.Validate(); err != nil {
		t.Fatalf("got the error %v, want none", err)
	}
}

func TestValidation(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string // the errors; empty for none
	}{
		{"a relative state directory", func(c *Config) { c.StateDir = "state" }, `state_dir must be an absolute file name, not "state"`},
		{"no state directory", func(c *Config) { c.StateDir = "" }, `state_dir must be an absolute file name, not ""`},
		{"a level in capitals", func(c *Config) { c.LogLevel = "INFO" }, `log_level must be debug, info, warn or error, not "INFO"`},
		{"no grace", func(c *Config) { c.Grace = 0 }, ""},
		{"a negative grace", func(c *Config) { c.Grace = -1 }, "grace must not be negative"},
		{"no agent address", func(c *Config) { c.Coordinator.AgentListen = nil }, "coordinator.agent_listen must have an address"},
		{"no client address", func(c *Config) { c.Coordinator.ClientListen = nil }, "coordinator.client_listen must have an address, or coordinator.client_socket be set"},
		{"a socket in the place of client addresses", func(c *Config) { c.Coordinator.ClientListen, c.Coordinator.ClientSocket = nil, "/run/x" }, ""},
		{"a relative socket", func(c *Config) { c.Coordinator.ClientSocket = "x" }, `coordinator.client_socket must be an absolute file name, not "x"`},
		{"a socket with a long name", func(c *Config) { c.Coordinator.ClientSocket = "/" + strings.Repeat("x", 100) },
			`coordinator.client_socket must have at most 100 bytes, not 101: "/` + strings.Repeat("x", 100) + `"`},
		{"a group for no socket", func(c *Config) { c.Coordinator.ClientGroup = "users" },
			"coordinator.client_group is of no use without coordinator.client_socket"},
		{"a relative token file", func(c *Config) { c.Coordinator.ClientToken = "x" },
			`coordinator.client_token_file must be an absolute file name, not "x"`},
		{"clients from everywhere, who show a token", func(c *Config) { c.Coordinator.ClientListen = []string{":8746"} }, ""},
		{"a URL for a name", func(c *Config) { c.Coordinator.ClientHosts = []string{"http://farm"} },
			`coordinator.client_hosts must have names such as farm.example.org, not "http://farm"`},
		{"a negative number of events", func(c *Config) { c.Coordinator.KeepEvents = -1 }, "coordinator.keep_events must not be negative"},
		{"no log endpoint", func(c *Config) { c.Front.Listen = nil }, ""},
		{"an address without a port", func(c *Config) { c.Front.Listen = []string{"127.0.0.1"} },
			`front.listen must have addresses such as 127.0.0.1:8745 or [::]:8745, not "127.0.0.1"`},
		{"a port that is too large", func(c *Config) { c.Front.Listen = []string{"127.0.0.1:65536"} },
			`front.listen must have addresses such as 127.0.0.1:8745 or [::]:8745, not "127.0.0.1:65536"`},
		{"a port with a name", func(c *Config) { c.Front.Listen = []string{":http"} },
			`front.listen must have addresses such as 127.0.0.1:8745 or [::]:8745, not ":http"`},
		{"any free port", func(c *Config) { c.Front.Listen = []string{":0"} }, ""},
		{"a front end", func(c *Config) { c.Front.BFFE = "http://localhost:8767" }, ""},
		{"a front end without a scheme", func(c *Config) { c.Front.BFFE = "localhost:8767" },
			`front.bffe must have http:// or https:// URLs, not "localhost:8767"`},
		{"no log at all", func(c *Config) { c.Coordinator.MaxLogSize = 0 }, "coordinator.max_log_size must be positive"},
		{"no pause", func(c *Config) { c.Coordinator.SetupRetry = 0 }, "coordinator.setup_retry must be positive"},
		{"a longest pause that is shorter", func(c *Config) { c.Coordinator.MaxSetupRetry = Duration(time.Second) },
			"coordinator.max_setup_retry must not be less than coordinator.setup_retry"},
		{"a URL of another kind", func(c *Config) { c.Coordinator.DerivationURLs = []string{"ftp://data.guix.gnu.org"} },
			`coordinator.derivation_substitute_urls must have http:// or https:// URLs, not "ftp://data.guix.gnu.org"`},
		{"a URL without a host", func(c *Config) { c.Agent.Coordinator = "http://" },
			`agent.coordinator must have http:// or https:// URLs, not "http://"`},
		{"a host in the place of a URL", func(c *Config) { c.Agent.Coordinator = "localhost:8745" },
			`agent.coordinator must have http:// or https:// URLs, not "localhost:8745"`},
		{"more builds at once than may be held", func(c *Config) { c.Agent.MaxParallelBuilds, c.Agent.MaxAllocatedBuilds = 4, 3 },
			"agent.max_allocated_builds must be 0, or from max_parallel_builds to 1000"},
		{"as many builds at once as may be held", func(c *Config) { c.Agent.MaxParallelBuilds, c.Agent.MaxAllocatedBuilds = 4, 4 }, ""},
		{"more builds than a coordinator gives", func(c *Config) { c.Agent.MaxAllocatedBuilds = 1001 },
			"agent.max_allocated_builds must be 0, or from max_parallel_builds to 1000"},
		{"very many builds at once", func(c *Config) { c.LocalAgent.MaxParallelBuilds = 501 }, "local_agent.max_parallel_builds must be 0 to 500"},
		{"negative builds at once", func(c *Config) { c.LocalAgent.MaxParallelBuilds = -1 }, "local_agent.max_parallel_builds must be 0 to 500"},
		{"no upload", func(c *Config) { c.Agent.MaxParallelUploads = 0 }, "agent.max_parallel_uploads must be at least 1"},
		{"an unknown compression", func(c *Config) { c.Agent.Compression = "gzip" },
			"agent.output_compression must be lzip, zstd or none, not \"gzip\""},
		{"no log", func(c *Config) { c.LocalAgent.MaxLogSize = 0 }, "local_agent.max_log_size must be positive"},
		{"no output", func(c *Config) { c.Coordinator.MaxOutputSize = 0 }, "coordinator.max_output_size must be positive"},
		{"a negative load", func(c *Config) { c.Agent.MaxLoad = -0.1 }, "agent.max_1min_load_average must be 0 or more"},
		{"a system without a name", func(c *Config) { c.Agent.Systems = []string{"x86_64-linux", ""} }, "agent.systems must not have an empty name"},
		{"agents", func(c *Config) {
			c.Agents = []DeclaredAgent{{Name: "bedok", Systems: []string{"i686-linux"}, Tags: []string{"k=", "k=v=w"}}, {Name: "marina"}}
		}, ""},
		{"agents that are wrong", func(c *Config) {
			c.Agents = []DeclaredAgent{{Name: "../x"}, {Name: "bedok"}, {Name: "bedok", Systems: []string{""}, Tags: []string{"k"}}}
		}, "the name of agent 1 must be of letters, digits and . _ - and begin with a letter or digit, not \"../x\"\n" +
			"there are two agents called \"bedok\"\nagent \"bedok\": systems must not have an empty name\n" +
			"agent \"bedok\": tags must be like \"key=value\", not \"k\""},
		{"much that is wrong", func(c *Config) { c.Grace, c.LogLevel = -1, "" },
			"log_level must be debug, info, warn or error, not \"\"\ngrace must not be negative"},
	} {
		c := Default(stateDir)
		tt.change(&c)
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestDefaultsThatAreWorkedOut(t *testing.T) {
	b := Builder{}
	if n := b.Parallel(); n < 1 {
		t.Errorf("got %d parallel builds, want at least one", n)
	}
	b.MaxParallelBuilds = 3
	if n := b.Parallel(); n != 3 {
		t.Errorf("got %d parallel builds, want 3", n)
	}
	if diff := cmp.Diff([]string{HostSystem()}, b.BuildSystems()); diff != "" || !strings.HasSuffix(HostSystem(), "-linux") {
		t.Errorf("systems (-want +got)\n%s", diff)
	}
	b.Systems = []string{"riscv64-linux"}
	if diff := cmp.Diff(b.Systems, b.BuildSystems()); diff != "" {
		t.Errorf("systems (-want +got)\n%s", diff)
	}
}
