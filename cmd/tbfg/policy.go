package main

import (
	"fmt"
	"log/slog"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/durable"
	"codeberg.org/tbfg/tbfg/daemon/hooks"
)

// settingsOf is what the configuration says of the coordinator, and may change
// while it runs.
func settingsOf(conf config.Config, runner *hooks.Runner) coordinator.Settings {
	return coordinator.Settings{
		SubstituteURLs: conf.Coordinator.DerivationURLs,
		Policy:         policyOf(conf.Coordinator),
		Hooks:          runner.Wanted,
		Room:           roomIn(conf.StateDir, conf.Coordinator.MinFree),
	}
}

// policyOf is what the configuration says of what the coordinator does by
// itself.
func policyOf(c config.Coordinator) coordinator.Policy {
	return coordinator.Policy{
		SetupRetry:       time.Duration(c.SetupRetry),
		MaxSetupRetry:    time.Duration(c.MaxSetupRetry),
		MaxSetupFailures: c.MaxSetupFailures,
		SubmitMissing:    c.SubmitMissing,
		Lease:            time.Duration(c.Lease),
		MaxLosses:        c.MaxLosses,
		RetryFailures:    c.RetryFailures,
		KeepOutputs:      c.KeepOutputs,
		KeepFor:          time.Duration(c.KeepFor),
		KeepBuilds:       c.KeepBuilds,
		KeepEvents:       c.KeepEvents,
		KeepEventsFor:    time.Duration(c.KeepEventsFor),
	}
}

// hooksOf makes the runner of the configured hooks.
func hooksOf(conf config.Config, told func(string, time.Duration, bool), log *slog.Logger) *hooks.Runner {
	out := hooks.Config{Told: told, Parallel: conf.Hooks.Parallel, Grace: time.Duration(conf.Grace), Secret: config.ReadSecret, Log: log}
	for _, h := range conf.Hooks.Each {
		out.Hooks = append(out.Hooks, hooks.Hook{Name: h.Name, Events: h.Events, Command: h.Command,
			DataService: hooks.DataService(h.DataService), Timeout: h.Limit(), Attempts: h.Tries()})
	}
	return hooks.New(out)
}

// roomIn tells whether a directory's disk has room for more builds.
func roomIn(dir string, least int64) func() error {
	return func() error {
		free, err := freeIn(dir)
		if err == nil && free < least {
			err = fmt.Errorf("the disk of %s has %d MB left, less than min_free_space (%d MB): make room", dir, free>>20, least>>20)
		}
		return err
	}
}

// freeIn is how many bytes are free on a directory's disk.
func freeIn(dir string) (int64, error) {
	free, err := durable.Free(dir)
	if err != nil {
		return 0, fmt.Errorf("look for room in %s: %w", dir, err)
	}
	return free, nil
}
