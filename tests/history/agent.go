package history

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// An Agent behaves like a build agent on a bad day, but builds nothing.
type Agent struct {
	*World
	ID      string
	Client  *agentapi.Client
	Systems []string
	Limit   int // of builds that it holds
	// Patience is how long a question for builds may wait for news.
	Patience time.Duration
}

// Run works until ctx ends.
func (a *Agent) Run(ctx context.Context, random *rand.Rand) {
	var held []string
	for ctx.Err() == nil {
		builds, err := a.Fetch(ctx, held)
		if err != nil {
			if a.World.Wait(ctx) != nil {
				return
			}
			continue
		}
		held = nil
		if random.IntN(4) == 0 {
			held = uuids(builds) // as if it had not noticed what becomes of them
		}
		var group sync.WaitGroup
		for _, b := range builds {
			own := rand.New(rand.NewPCG(random.Uint64(), 0))
			group.Go(func() { a.attempt(ctx, own, b) })
		}
		group.Wait()
	}
}

// Fetch asks for builds up to the agent's limit.
func (a *Agent) Fetch(ctx context.Context, held []string) ([]daemon.Allocation, error) {
	var builds []daemon.Allocation
	_, err := a.Do(Event{Kind: Fetch, Who: a.ID, Target: a.Limit}, func(e *Event) error {
		fetched, err := a.Client.FetchBuilds(ctx, a.Systems, a.Limit, a.Patience, held...)
		builds, e.Gone = fetched.Builds, fetched.Gone
		for _, b := range builds {
			e.Builds = append(e.Builds, b.UUID)
		}
		return err
	})
	a.tell(uuids(builds)...)
	return builds, err
}

func uuids(builds []daemon.Allocation) (uuids []string) {
	for _, b := range builds {
		uuids = append(uuids, b.UUID)
	}
	return uuids
}

// attempt does with a build what an agent may do.
func (a *Agent) attempt(ctx context.Context, random *rand.Rand, b daemon.Allocation) {
	do := func(kind Kind, request func() error) bool {
		_, err := a.insist(ctx, random, Event{Kind: kind, Who: a.ID, Build: b.UUID}, func(*Event) error { return request() })
		return err == nil
	}
	switch roll := random.IntN(100); {
	case roll < 6:
		do(SetupFailure, func() error { return a.Client.ReportSetupFailure(ctx, b.UUID, a.failure(random, b.Derivation)) })
		return
	case roll < 9:
		do(Release, func() error { return a.Client.ReleaseBuild(ctx, b.UUID) })
		return
	case roll < 14:
		return // it crashed, and knows nothing of the build when it is back
	case roll < 95:
		if !do(Start, func() error { return a.Client.ReportStart(ctx, b.UUID) }) {
			return
		}
	}
	if random.IntN(4) > 0 {
		text := LogOf(b.UUID)
		if !do(Log, func() error { return a.Client.SendLog(ctx, b.UUID, bytes.NewReader(text), int64(len(text))) }) {
			return
		}
	}
	success := a.Succeeds(b.UUID)
	report := func(success bool) bool {
		e, r := Event{Kind: Result, Who: a.ID, Build: b.UUID}, a.result(b, success)
		e.report(r)
		_, err := a.insist(ctx, random, e, func(*Event) error { return a.Client.ReportResult(ctx, b.UUID, r) })
		return err == nil
	}
	report(success)
	switch roll := random.IntN(100); { // reports that come twice, or much too late
	case roll < 10:
		report(success)
	case roll < 15:
		report(!success)
	case roll < 18:
		do(SetupFailure, func() error { return a.Client.ReportSetupFailure(ctx, b.UUID, a.failure(random, b.Derivation)) })
	case roll < 21:
		do(Release, func() error { return a.Client.ReleaseBuild(ctx, b.UUID) })
	case roll < 24:
		do(Start, func() error { return a.Client.ReportStart(ctx, b.UUID) })
	}
}

// failure is a reason why a build cannot begin.
func (a *Agent) failure(random *rand.Rand, drv storepath.Path) daemon.SetupFailure {
	if needs := a.Needs(drv); len(needs) > 0 && random.IntN(2) == 0 {
		return daemon.SetupFailure{Reason: daemon.MissingInputs, MissingInputs: needs[:1]}
	}
	return daemon.SetupFailure{Reason: daemon.CouldNotFetch}
}

func (a *Agent) result(b daemon.Allocation, success bool) daemon.Result {
	r := daemon.Result{Success: success, Ended: time.Now()}
	if !success {
		r.Reason = "it was not to be"
		return r
	}
	for _, o := range a.Known[b.Derivation].Outputs {
		r.Outputs = append(r.Outputs, daemon.Output{Name: o.Name, Hash: HashOf(b.UUID, o.Name), Size: 100, References: a.Needs(b.Derivation)})
	}
	return r
}

// HashOf is what the agents say is the hash of a build's output.
func HashOf(build, output string) string {
	return fmt.Sprintf("sha256:%.52x", sha256.Sum256([]byte(build+output)))
}

// LogOf is the compressed log of a build.
func LogOf(build string) []byte {
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	fmt.Fprintf(w, "the log of %s\n", build)
	w.Close()
	return buffer.Bytes()
}

// Intrude has the agent, which must never have asked for builds, report on
// builds that it does not hold, n of them.
func (a *Agent) Intrude(ctx context.Context, random *rand.Rand, n int) {
	for range n {
		build := a.any(random)
		if build == "" || ctx.Err() != nil {
			return
		}
		kinds := map[Kind]func() error{
			Start:        func() error { return a.Client.ReportStart(ctx, build) },
			SetupFailure: func() error { return a.Client.ReportSetupFailure(ctx, build, daemon.SetupFailure{Reason: "envy"}) },
			Log: func() error {
				return a.Client.SendLog(ctx, build, bytes.NewReader(LogOf("x")), int64(len(LogOf("x"))))
			},
			Result:  func() error { return a.Client.ReportResult(ctx, build, daemon.Result{Success: true}) },
			Release: func() error { return a.Client.ReleaseBuild(ctx, build) },
		}
		names := []Kind{Start, SetupFailure, Log, Result, Release}
		kind := names[random.IntN(len(names))]
		a.Do(Event{Kind: kind, Who: a.ID, Build: build, Success: true}, func(*Event) error { return kinds[kind]() })
	}
}
