package history

import (
	"context"
	"fmt"
	"math/rand/v2"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// A Client submits builds, cancels and retries them.
type Client struct {
	*World
	Name   string
	Client *clientapi.Client
}

// Run does one thing for each token until there are no more.
func (c *Client) Run(ctx context.Context, random *rand.Rand, tokens <-chan struct{}) {
	for range tokens {
		switch roll := random.IntN(100); {
		case roll < 80:
			c.submit(ctx, random)
		case roll < 90:
			c.cancel(ctx, random)
		default:
			c.retry(ctx, random)
		}
	}
}

func (c *Client) submit(ctx context.Context, random *rand.Rand) {
	s := daemon.Submission{
		Derivation: c.Paths[random.IntN(len(c.Paths))], Priority: int64(random.IntN(20)) - 10,
		Tags:                     []daemon.Tag{{Key: "client", Value: c.Name}},
		WithInputs:               random.IntN(3) == 0,
		SkipIfDerivationHasBuild: random.IntN(5) == 0,
		SkipIfOutputsHaveBuild:   random.IntN(10) == 0,
	}
	if random.IntN(4) > 0 {
		s.UUID = randomUUID(random)
	}
	e := Event{Kind: Submit, Who: c.Name, Build: s.UUID, Derivation: s.Derivation, WithInputs: s.WithInputs}
	request := func(e *Event) error {
		reply, err := c.Client.Submit(ctx, s)
		if reply.Submitted != "" {
			e.Builds = []string{reply.Submitted}
		}
		e.Word = reply.NotSubmitted
		return err
	}
	var done Event
	if s.UUID == "" { // repeated, it might be submitted twice
		done, _ = c.Do(e, request)
	} else {
		done, _ = c.insist(ctx, random, e, request)
	}
	c.tell(done.Builds...)
}

func (c *Client) cancel(ctx context.Context, random *rand.Rand) {
	build := c.any(random)
	if build == "" {
		return
	}
	unlessRequired := random.IntN(2) == 0
	c.insist(ctx, random, Event{Kind: Cancel, Who: c.Name, Build: build}, func(e *Event) (err error) {
		e.Word, err = c.Client.Cancel(ctx, build, unlessRequired)
		return err
	})
}

func (c *Client) retry(ctx context.Context, random *rand.Rand) {
	build := c.any(random)
	for range 20 { // look for one that this is meant for
		if build == "" || !c.Succeeds(build) {
			break
		}
		build = c.any(random)
	}
	if build == "" {
		return
	}
	withBlocked := random.IntN(2) == 0
	done, _ := c.insist(ctx, random, Event{Kind: Retry, Who: c.Name, Build: build}, func(e *Event) (err error) {
		e.Builds, err = c.Client.Retry(ctx, build, withBlocked)
		return err
	})
	c.tell(done.Builds...)
}

// All is what the farm says of all its builds.
func (w *World) All(ctx context.Context) ([]wire.BuildDetail, error) {
	client := clientapi.NewClient(w.ClientURL)
	var uuids []string
	err := client.Builds(ctx, nil, 0, func(b wire.Build) error {
		uuids = append(uuids, b.UUID)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list builds: %w", err)
	}
	all := make([]wire.BuildDetail, len(uuids))
	for i, uuid := range uuids {
		if all[i], err = client.Build(ctx, uuid); err != nil {
			return nil, fmt.Errorf("look at build %s: %w", uuid, err)
		}
	}
	return all, nil
}

// randomUUID is a version 4 UUID from a source that can be repeated.
func randomUUID(random *rand.Rand) string {
	a, b := random.Uint64(), random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0xfff, b&0xffffffffffff)
}
