package coordinator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// Of SubmitTogether: how many graphs are stored at the same time, and how many
// builds are submitted in one change.
const (
	fewGraphs      = 16 // below that they come one after the other, and are in the queue in their order
	togetherGraphs = 8
	togetherBuilds = 200
)

// A Together is what became of one derivation of several.
type Together struct {
	daemon.Submitted
	Err error // why it cannot be built: it is not to be had, or makes no sense
}

// SubmitTogether submits builds of derivations that may need each other, all of
// them as s says, whose own derivation and UUID do not count. Inputs go first:
// an agent that was given what needs them before they are in the queue would
// look for them elsewhere.
func (c *Coordinator) SubmitTogether(ctx context.Context, s daemon.Submission, drvs []storepath.Path) (map[storepath.Path]Together, error) {
	done := make(map[storepath.Path]Together, len(drvs))
	rows, err := c.storeTogether(ctx, s, drvs, done)
	if err != nil {
		return nil, err
	}
	// Derivations are stored after their inputs.
	slices.SortFunc(rows, func(a, b storedDerivation) int { return cmp.Compare(a.id, b.id) })
	submitted := 0
	for part := range slices.Chunk(rows, togetherBuilds) {
		results := make([]daemon.Submitted, len(part))
		err := c.change(ctx, func(ch *change) (err error) {
			for i, row := range part {
				s.UUID = uuid.NewString()
				if results[i], err = c.submitStored(ch, s, row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("submit builds: %w", err)
		}
		for i, row := range part {
			done[row.path] = Together{Submitted: results[i]}
			if results[i].UUID != "" {
				submitted++
			}
		}
	}
	if len(drvs) > 0 {
		c.Log.Info("builds submitted", "builds", submitted, "derivations", len(drvs), "priority", s.Priority)
	}
	return done, nil
}

type storedDerivation struct {
	path storepath.Path
	id   int64
}

// storeTogether stores the graphs of derivations; those that it cannot it
// notes in done.
func (c *Coordinator) storeTogether(ctx context.Context, s daemon.Submission, drvs []storepath.Path, done map[storepath.Path]Together) ([]storedDerivation, error) {
	urls := s.SubstituteURLs
	if len(urls) == 0 {
		urls = c.settings().SubstituteURLs
	}
	var mu sync.Mutex // guards rows and done
	var rows []storedDerivation
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(1)
	if len(drvs) >= fewGraphs {
		group.SetLimit(togetherGraphs)
	}
	for _, drv := range drvs {
		group.Go(func() error {
			s := s
			s.Derivation = drv
			id, err := c.storeGraph(ctx, urls, s)
			switch daemon.CodeOf(err) {
			case daemon.NotFound, daemon.Invalid, daemon.TooLarge:
				mu.Lock()
				defer mu.Unlock()
				done[drv] = Together{Err: err}
				return nil
			}
			if err != nil {
				return fmt.Errorf("submit a build of %s: %w", drv, err)
			}
			mu.Lock()
			defer mu.Unlock()
			rows = append(rows, storedDerivation{drv, id})
			return nil
		})
	}
	return rows, group.Wait()
}

func (c *Coordinator) storeGraph(ctx context.Context, urls []string, s daemon.Submission) (id int64, err error) {
	if err := checkSubmission(&s); err != nil {
		return 0, err
	}
	if id, err = c.Store.DerivationID(ctx, s.Derivation); id != 0 || err != nil {
		return id, err
	}
	graph, release, err := c.loadGraph(ctx, urls, s.Derivation)
	if err != nil {
		return 0, err
	}
	defer release()
	err = c.change(ctx, func(ch *change) error { return ch.InsertGraph(ch.ctx, graph) })
	if err != nil {
		return 0, err
	}
	return graph.ID(), nil
}

// submitStored is what follows when the graph is stored: a build, unless the
// submission says otherwise, and those of inputs. s has a UUID.
func (c *Coordinator) submitStored(ch *change, s daemon.Submission, row storedDerivation) (done daemon.Submitted, err error) {
	s.Derivation = row.path
	if done.Reason, err = whyNot(ch, s, row.id); done.Reason != "" || err != nil {
		return done, err
	}
	if s.WithInputs {
		if done.Inputs, err = c.submitInputs(ch, s, row.id); err != nil {
			return done, err
		}
	}
	done.UUID = s.UUID
	return done, c.insertBuild(ch, s, row.id)
}
