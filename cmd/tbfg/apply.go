package main

import (
	"context"
	"reflect"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/hooks"
)

// apply makes the farm run with another configuration. Builds that run, and
// hooks that are being told, are left to end.
func (f *farm) apply(running, next config.Config) {
	setLogLevel(next.LogLevel)
	if !reflect.DeepEqual(running.Hooks, next.Hooks) || running.Grace != next.Grace {
		f.runner = hooksOf(next, f.metrics.HookTold, f.log)
		select {
		case <-f.hooks: // one that never ran
		default:
		}
		f.hooks <- f.runner
	}
	f.coordinator.Configure(settingsOf(next, f.runner))
	if !reflect.DeepEqual(running.LocalAgent, next.LocalAgent) || running.Grace != next.Grace {
		select {
		case <-f.localConf: // one that was never looked at
		default:
		}
		f.localConf <- next
	}
	if !reflect.DeepEqual(running.Front, next.Front) || running.Coordinator.KeepOutputs != next.Coordinator.KeepOutputs {
		f.front.use(next)
	}
	if !reflect.DeepEqual(running.Collections, next.Collections) {
		if err := f.coordinator.DeclareCollections(context.Background(), config.Domain(next.Collections)); err != nil {
			f.log.Error("cannot make the collections be as the configuration says; they will be at the next start", "err", err)
		}
	}
	if !reflect.DeepEqual(running.Agents, next.Agents) {
		if err := f.declare(context.Background(), next.Agents); err != nil {
			f.log.Error("cannot make the agents be as the configuration says; they will be at the next start", "err", err)
		}
	}
}

// runHooks tells hooks of events until ctx ends. When there is another runner
// the one before ends first, so that nothing is told twice at the same time.
func (f *farm) runHooks(ctx context.Context) {
	for runner := <-f.hooks; runner != nil; {
		one, end := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func(r *hooks.Runner) {
			r.Run(one, f.coordinator)
			close(ended)
		}(runner)
		select {
		case <-ctx.Done():
			runner = nil
		case runner = <-f.hooks:
		}
		end()
		<-ended
	}
}
