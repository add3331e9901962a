package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// run works until ctx ends or a server fails. The local agent stops first,
// while the coordinator still listens to what it has to say.
func (f *farm) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	agentDone := make(chan error, 1)
	go func() {
		err := f.runLocalAgent(ctx)
		if err != nil {
			cancel(err)
		}
		agentDone <- err
	}()
	endEvents, endHooks := beside(f.events.Run), beside(f.runHooks)
	endReloads, endCollections := beside(f.live.follow), beside(f.keeper.Run)
	select {
	case <-ctx.Done():
	case err := <-f.failed:
		cancel(err)
	}
	f.log.Info("stopping")
	endCollections()
	f.coordinator.Quiesce()
	endReloads()
	agentErr := <-agentDone
	endEvents() // else the servers would wait for the followers
	f.stopServers()
	endHooks() // after all that causes events
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return agentErr
}

// beside runs a part of the farm beside the others. The function that it
// returns ends the part and waits for that.
func beside(part func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		part(ctx)
		close(done)
	}()
	return func() {
		cancel()
		<-done
	}
}

// stopPatience is how long requests under way may take when the farm stops.
const stopPatience = 10 * time.Second

func (f *farm) stopServers() {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	var stopping sync.WaitGroup
	for _, s := range f.servers {
		stopping.Go(func() { s.stop(ctx) })
	}
	stopping.Wait()
}
