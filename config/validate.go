package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
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
	v.addresses("coordinator.client_listen", c.Coordinator.ClientListen)
	v.check(len(c.Coordinator.ClientListen) > 0, "coordinator.client_listen must have an address")
	for _, address := range c.Coordinator.ClientListen {
		v.check(isLoopback(address), "coordinator.client_listen must be on loopback, such as 127.0.0.1:8746, not %q: "+
			"whoever can connect there controls the farm", address)
	}
	v.urls("coordinator.derivation_substitute_urls", c.Coordinator.DerivationURLs)
	v.check(c.Coordinator.MaxLogSize > 0, "coordinator.max_log_size must be positive")
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
		{"keep_builds", int64(c.Coordinator.KeepBuilds)}, {"min_free_space", c.Coordinator.MinFree},
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

	v.hooks(c.Hooks)
	v.agents(c.Agents)
	return v.errs
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
	v.check(b.MaxAllocatedBuilds == 0 || b.MaxAllocatedBuilds >= b.Parallel() && b.MaxAllocatedBuilds <= maxBuilds,
		"%s.max_allocated_builds must be 0, or from max_parallel_builds to %d", table, maxBuilds)
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

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // reported elsewhere
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
