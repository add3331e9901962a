package config

import (
	"runtime"
	"time"
)

// Config is the whole configuration. The comments in the tags are printed by
// "tbfg config show" and are the manual of each key. A key with the tag
// apply:"restart" is only read at the start, see [Take].
type Config struct {
	StateDir    string      `toml:"state_dir" apply:"restart" comment:"Where the farm keeps its database, logs and secrets."`
	LogLevel    string      `toml:"log_level" comment:"What is logged to standard error: debug, info, warn or error."`
	PIDFile     string      `toml:"pid_file" apply:"restart" comment:"File to write the process id to once the farm is ready; empty for none."`
	Grace       Duration    `toml:"grace" comment:"How long running builds may go on when the program is told to stop."`
	Coordinator Coordinator `toml:"coordinator"`
	Front       Front       `toml:"front"`
	LocalAgent  LocalAgent  `toml:"local_agent"`
	Agent       Agent       `toml:"agent"`
	Hooks
	Agents      []DeclaredAgent `toml:"agents,omitempty" comment:"Agents on other machines, each as a table [[agents]]."`
	Collections []Collection    `toml:"collections,omitempty" comment:"Sets of packages of which the farm gives an account, each as a table [[collections]]."`
}

// Coordinator configures the coordinator, see "tbfg serve".
type Coordinator struct {
	Database       string   `toml:"database" apply:"restart" comment:"The database file; empty for tbfg.db in state_dir."`
	AgentListen    []string `toml:"agent_listen" apply:"restart" comment:"Addresses where agents connect (they authenticate)."`
	Certificate    string   `toml:"agent_certificate" apply:"restart" comment:"File with the PEM certificate, and those that certify it, for agents to connect by https; empty for http."`
	CertificateKey string   `toml:"agent_certificate_key" apply:"restart" comment:"File with its private key. Both may be replaced while the coordinator runs."`
	ClientListen   []string `toml:"client_listen" apply:"restart" comment:"Addresses for commands and the front end. On loopback nothing is asked; elsewhere the client token must be shown."`
	ClientSocket   string   `toml:"client_socket" apply:"restart" comment:"Unix socket for commands besides; they look for /run/tbfg/client.socket by themselves. Empty for none."`
	ClientGroup    string   `toml:"client_group" apply:"restart" comment:"Group whose members may use client_socket; empty for the group of the process."`
	ClientToken    string   `toml:"client_token_file" apply:"restart" comment:"File with the token that clients from other machines must show: one line, at least 20 bytes; empty for secrets/client.token in state_dir, which the farm makes."`
	ClientHosts    []string `toml:"client_hosts" apply:"restart" comment:"Names under which clients reach client_listen, besides localhost, addresses and the host's name."`
	PublicReads    bool     `toml:"public_reads" apply:"restart" comment:"Whether agent_listen serves what front ends read (builds, agents, state, events) to everyone."`
	DerivationURLs []string `toml:"derivation_substitute_urls" comment:"Substitute servers for derivations that the store here lacks, unless a submission names some."`
	MaxLogSize     int64    `toml:"max_log_size" apply:"restart" comment:"Largest log of a build, in bytes."`
	KeepOutputs    bool     `toml:"keep_outputs" comment:"Whether agents send what they built, to be kept as long as the build."`
	MaxOutputSize  int64    `toml:"max_output_size" apply:"restart" comment:"Largest output that is kept, in bytes, both compressed and not."`
	SetupRetry     Duration `toml:"setup_retry" comment:"How long a build waits after an agent could not set it up; doubles each time."`
	MaxSetupRetry  Duration `toml:"max_setup_retry" comment:"The longest such wait."`

	MaxSetupFailures int      `toml:"max_setup_failures" comment:"After how many setup failures a build fails, missing inputs not counted; 0 for never."`
	SubmitMissing    bool     `toml:"submit_missing_inputs" comment:"Whether to submit builds of inputs that an agent cannot get."`
	Lease            Duration `toml:"lease" comment:"How long an agent may be silent before its builds go to others; \"0s\" for ever."`
	MaxLosses        int      `toml:"max_lost_agents" comment:"A build fails when this many agents fell silent while they had it; 0 for never."`
	RetryFailures    int      `toml:"retry_failures" comment:"How many times a failed build is submitted again by itself."`
	KeepFor          Duration `toml:"keep_builds_for" comment:"How long ended builds and their logs are kept; \"0s\" for ever."`
	KeepBuilds       int      `toml:"keep_builds" comment:"How many ended builds are kept with their logs, the newest ones; 0 for all."`
	KeepEvents       int      `toml:"keep_events" comment:"How many events are kept for front ends that come back to the stream; 0 for all."`
	KeepEventsFor    Duration `toml:"keep_events_for" comment:"How long events are kept; \"0s\" for ever."`
	EventKeepAlive   Duration `toml:"event_keep_alive" apply:"restart" comment:"After how long without an event the stream gets an empty comment; \"0s\" for never."`
	MinFree          int64    `toml:"min_free_space" comment:"No builds are handed out while the disk of state_dir has fewer bytes free."`
}

// Front configures the log endpoint, and what else is there.
type Front struct {
	Listen      []string `toml:"listen" apply:"restart" comment:"Addresses of the log endpoint; [] for none. Everyone who can connect can read all logs, and outputs that are kept."`
	BFFE        string   `toml:"bffe" comment:"URL of the Build Farm Front-End, such as http://localhost:8767, which gets all requests but those for logs; empty for a small page of our own."`
	Substitutes bool     `toml:"substitutes" comment:"Whether outputs that are kept (keep_outputs) are served there too, as substitutes that secrets/signing.key signs."`
}

// Builder configures how an agent builds, on this machine or another.
type Builder struct {
	Systems            []string `toml:"systems" comment:"Systems to build for, such as [\"x86_64-linux\", \"i686-linux\"]; [] for this machine's."`
	MaxParallelBuilds  int      `toml:"max_parallel_builds" comment:"How many builds run at the same time; 0 for half the processors."`
	MaxParallelUploads int      `toml:"max_parallel_uploads" comment:"How many uploads run at the same time."`
	MaxAllocatedBuilds int      `toml:"max_allocated_builds" comment:"How many builds the agent holds in all; 0 for twice max_parallel_builds."`
	MaxLoad            float64  `toml:"max_1min_load_average" comment:"No build starts while the load average is above this; 0 for the number of processors."`
	DerivationURLs     []string `toml:"derivation_substitute_urls" comment:"Substitute servers for derivations; [] leaves it to the guix-daemon."`
	InputURLs          []string `toml:"non_derivation_substitute_urls" comment:"Substitute servers for everything else; [] leaves it to the guix-daemon."`
	Compression        string   `toml:"output_compression" comment:"How outputs are sent if the coordinator wants them: \"lzip\", \"zstd\" or \"none\"."`
	MaxLogSize         int64    `toml:"max_log_size" comment:"A build whose log gets larger than this many bytes fails."`
	Cores              int      `toml:"cores" comment:"How many processors one build may use; 0 leaves it to the guix-daemon."`
	BuildTimeout       Duration `toml:"build_timeout" comment:"How long a build may take, unless it has a tag \"timeout\"; \"0s\" leaves it to the guix-daemon."`
	MaxSilentTime      Duration `toml:"max_silent_time" comment:"How long a build may write nothing, unless it has a tag \"max-silent-time\"; \"0s\" leaves it to the guix-daemon."`
	AllowExisting      bool     `toml:"allow_existing_outputs" comment:"Whether outputs that are there already count as built, instead of being deleted and built again."`
	MinFree            int64    `toml:"min_free_space" comment:"No builds are asked for or begun while the disk of the store or the spool has fewer bytes free."`
	DaemonSocket       string   `toml:"daemon_socket" apply:"restart" comment:"Address of the guix-daemon; empty for $GUIX_DAEMON_SOCKET or the usual one."`
}

// LocalAgent configures the agent inside "tbfg serve", which gets its
// credentials by itself.
type LocalAgent struct {
	Enabled bool   `toml:"enabled" comment:"Whether \"tbfg serve\" also builds, on this machine."`
	Name    string `toml:"name" apply:"restart" comment:"The agent's name; empty for the host's."`
	Builder
}

// Agent configures "tbfg agent run", for machines that build for a
// coordinator elsewhere.
type Agent struct {
	Coordinator  string   `toml:"coordinator" comment:"URL of the coordinator."`
	CAFile       string   `toml:"ca_file" comment:"File with the PEM certificates of the authorities that certify an https coordinator; empty for the system's."`
	UUID         string   `toml:"uuid" comment:"The agent's UUID, as \"tbfg agent new\" printed it."`
	PasswordFile string   `toml:"password_file" comment:"File with the agent's password, readable by the agent only. It may change while the agent runs."`
	Name         string   `toml:"name" comment:"In the place of uuid: a name under which the agent enrols by itself, with a token."`
	TokenFile    string   `toml:"dynamic_auth_token_file" comment:"File with the token for that, as \"tbfg token new\" printed it."`
	Metrics      []string `toml:"metrics_listen" comment:"Addresses where the agent serves metrics for Prometheus, such as 127.0.0.1:9745; [] for none."`
	SpoolDir     string   `toml:"spool_dir" comment:"Where what the coordinator does not have yet is kept; empty for a directory in the cache directory."`
	Builder
}

// Duration is a time such as "90s", "15m" or "1h30m".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Default is the configuration without a file, with its state in a directory.
func Default(stateDir string) Config {
	builder := Builder{Systems: []string{}, MaxParallelUploads: 1, Compression: "lzip", MaxLogSize: 2 << 30, MinFree: 1 << 30,
		DerivationURLs: []string{}, InputURLs: []string{}}
	return Config{
		StateDir: stateDir,
		LogLevel: "info",
		Grace:    Duration(time.Minute),
		Coordinator: Coordinator{
			AgentListen:    []string{"0.0.0.0:8745"},
			ClientListen:   []string{"127.0.0.1:8746"},
			ClientHosts:    []string{},
			DerivationURLs: []string{"https://data.guix.gnu.org"},
			MaxLogSize:     4 << 30,
			MaxOutputSize:  64 << 30,
			SetupRetry:     Duration(30 * time.Second),
			MaxSetupRetry:  Duration(time.Hour),

			MaxSetupFailures: 20,
			SubmitMissing:    true,
			Lease:            Duration(10 * time.Minute),
			MaxLosses:        3,
			KeepEvents:       100_000,
			KeepEventsFor:    Duration(7 * 24 * time.Hour),
			MinFree:          1 << 30,
		},
		Front:      Front{Listen: []string{"127.0.0.1:8747"}, Substitutes: true},
		LocalAgent: LocalAgent{Builder: builder},
		Agent:      Agent{Coordinator: "http://localhost:8745", Metrics: []string{}, Builder: builder},
		Hooks:      Hooks{Parallel: 4},
	}
}

// Parallel is MaxParallelBuilds with its default worked out.
func (b *Builder) Parallel() int {
	if b.MaxParallelBuilds > 0 {
		return b.MaxParallelBuilds
	}
	return max(1, runtime.NumCPU()/2)
}

// HostSystem is this machine's system in Guix's words; empty where Guix has
// none.
func HostSystem() string {
	if runtime.GOOS != "linux" {
		return ""
	}
	return map[string]string{"amd64": "x86_64-linux", "386": "i686-linux", "arm64": "aarch64-linux", "arm": "armhf-linux",
		"ppc64le": "powerpc64le-linux", "riscv64": "riscv64-linux"}[runtime.GOARCH]
}

// BuildSystems is Systems with its default worked out.
func (b *Builder) BuildSystems() []string {
	if len(b.Systems) > 0 {
		return b.Systems
	}
	return []string{HostSystem()}
}
