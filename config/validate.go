package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate checks every value; the error has a line for each that is wrong.
func (c *Config) Validate() error { return errors.Join(c.validate()...) }

func (c *Config) validate() []error {
	var v validator
	v.check(filepath.IsAbs(c.StateDir), "state_dir must be an absolute file name, not %q", c.StateDir)
	v.check(slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel),
		"log_level must be debug, info, warn or error, not %q", c.LogLevel)
	v.check(c.Grace >= 0, "grace must not be negative")

	v.addresses("coordinator.agent_listen", c.Coordinator.AgentListen)
	v.check(len(c.Coordinator.AgentListen) > 0, "coordinator.agent_listen must have an address")
	v.check((c.Coordinator.Certificate == "") == (c.Coordinator.CertificateKey == ""),
		"coordinator.agent_certificate and coordinator.agent_certificate_key must be set together")
	v.addresses("coordinator.client_listen", c.Coordinator.ClientListen)
	v.check(len(c.Coordinator.ClientListen) > 0 || c.Coordinator.ClientSocket != "",
		"coordinator.client_listen must have an address, or coordinator.client_socket be set")
	v.file("coordinator.client_socket", c.Coordinator.ClientSocket, maxSocketName)
	v.file("coordinator.client_token_file", c.Coordinator.ClientToken, math.MaxInt)
	v.check(c.Coordinator.ClientGroup == "" || c.Coordinator.ClientSocket != "", "coordinator.client_group is of no use without coordinator.client_socket")
	for _, host := range c.Coordinator.ClientHosts {
		v.check(host != "" && !strings.ContainsAny(host, "/: "), "coordinator.client_hosts must have names such as farm.example.org, not %q", host)
	}
	v.urls("coordinator.derivation_substitute_urls", c.Coordinator.DerivationURLs)
	v.check(c.Coordinator.MaxLogSize > 0, "coordinator.max_log_size must be positive")
	v.check(c.Coordinator.MaxOutputSize > 0, "coordinator.max_output_size must be positive")
	v.check(c.Coordinator.SetupRetry > 0, "coordinator.setup_retry must be positive")
	v.check(c.Coordinator.MaxSetupRetry >= c.Coordinator.SetupRetry,
		"coordinator.max_setup_retry must not be less than coordinator.setup_retry")
	v.check(c.Coordinator.Lease == 0 || c.Coordinator.Lease >= Duration(minLease),
		"coordinator.lease must be at least %v, or 0s: agents report every %v", minLease, minLease/2)
	for _, limit := range []struct {
		key string
		n   int64
	}{
		{"max_setup_failures", int64(c.Coordinator.MaxSetupFailures)}, {"max_lost_agents", int64(c.Coordinator.MaxLosses)},
		{"retry_failures", int64(c.Coordinator.RetryFailures)}, {"keep_builds_for", int64(c.Coordinator.KeepFor)},
		{"keep_builds", int64(c.Coordinator.KeepBuilds)}, {"keep_events", int64(c.Coordinator.KeepEvents)},
		{"keep_events_for", int64(c.Coordinator.KeepEventsFor)}, {"event_keep_alive", int64(c.Coordinator.EventKeepAlive)}, {"min_free_space", c.Coordinator.MinFree},
	} {
		v.check(limit.n >= 0, "coordinator.%s must not be negative", limit.key)
	}
	v.addresses("front.listen", c.Front.Listen)
	if c.Front.BFFE != "" {
		v.urls("front.bffe", []string{c.Front.BFFE})
	}

	v.builder("local_agent", c.LocalAgent.Builder)
	v.builder("agent", c.Agent.Builder)
	v.urls("agent.coordinator", []string{c.Agent.Coordinator})
	v.addresses("agent.metrics_listen", c.Agent.Metrics)

	v.hooks(c.Hooks)
	v.agents(c.Agents)
	v.collections(c.Collections)
	return v.errs
}

// maxSocketName is how many bytes the name of a unix socket can have, less those
// for its name while it is made.
const maxSocketName = 100

// file checks the name of a file that may be left out.
func (v *validator) file(key, name string, most int) {
	v.check(name == "" || filepath.IsAbs(name), "%s must be an absolute file name, not %q", key, name)
	v.check(len(name) <= most, "%s must have at most %d bytes, not %d: %q", key, most, len(name), name)
}

// minLease is twice as long as our agents are silent at most.
const minLease = time.Minute

// maxBuilds is how many builds a coordinator lets an agent hold.
const maxBuilds = 1000

type validator struct{ errs []error }

func (v *validator) check(ok bool, format string, args ...any) {
	if !ok {
		v.errs = append(v.errs, fmt.Errorf(format, args...))
	}
}

func (v *validator) builder(table string, b Builder) {
	v.urls(table+".derivation_substitute_urls", b.DerivationURLs)
	v.urls(table+".non_derivation_substitute_urls", b.InputURLs)
	v.check(b.MaxParallelBuilds >= 0 && b.MaxParallelBuilds <= maxBuilds/2,
		"%s.max_parallel_builds must be 0 to %d", table, maxBuilds/2)
	v.check(b.MaxParallelUploads >= 1, "%s.max_parallel_uploads must be at least 1", table)
	v.check(slices.Contains([]string{"lzip", "zstd", "none"}, b.Compression),
		"%s.output_compression must be lzip, zstd or none, not %q", table, b.Compression)
	v.check(b.MaxLogSize > 0, "%s.max_log_size must be positive", table)
	v.check(b.MaxAllocatedBuilds == 0 || b.MaxAllocatedBuilds >= b.Parallel() && b.MaxAllocatedBuilds <= maxBuilds,
		"%s.max_allocated_builds must be 0, or from max_parallel_builds to %d", table, maxBuilds)
	v.check(b.Cores >= 0, "%s.cores must not be negative", table)
	v.check(b.BuildTimeout >= 0, "%s.build_timeout must not be negative", table)
	v.check(b.MaxSilentTime >= 0, "%s.max_silent_time must not be negative", table)
	v.check(b.MinFree >= 0, "%s.min_free_space must not be negative", table)
	v.check(b.MaxLoad >= 0, "%s.max_1min_load_average must be 0 or more", table)
	v.check(len(b.Systems) > 0 || HostSystem() != "", "%s.systems must be set: this machine's system is not known", table)
	for _, s := range b.Systems {
		v.check(s != "", "%s.systems must not have an empty name", table)
	}
}

func (v *validator) urls(key string, urls []string) {
	for _, s := range urls {
		u, err := url.Parse(s)
		v.check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "",
			"%s must have http:// or https:// URLs, not %q", key, s)
	}
}

func (v *validator) addresses(key string, addresses []string) {
	for _, s := range addresses {
		_, port, err := net.SplitHostPort(s)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		v.check(err == nil, "%s must have addresses such as 127.0.0.1:8745 or [::]:8745, not %q", key, s)
	}
}
