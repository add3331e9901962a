package coordinator

import (
	"context"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
)

// CollectionTag is the key of the tag that builds for a collection have; its
// value is the collection's name.
const CollectionTag = "collection"

// Collections are all collections by name.
func (c *Coordinator) Collections(ctx context.Context) ([]daemon.CollectionStatus, error) {
	return c.Store.Collections(ctx, "")
}

// Collection is the collection with a name.
func (c *Coordinator) Collection(ctx context.Context, name string) (daemon.CollectionStatus, error) {
	return collection(ctx, c.Store.Queries, name)
}

func collection(ctx context.Context, q datastore.Queries, name string) (daemon.CollectionStatus, error) {
	if name == "" {
		return daemon.CollectionStatus{}, daemon.Errorf(daemon.Invalid, "a collection has a name")
	}
	list, err := q.Collections(ctx, name)
	if err != nil {
		return daemon.CollectionStatus{}, err
	}
	if len(list) == 0 {
		return daemon.CollectionStatus{}, daemon.Errorf(daemon.NotFound, "there is no collection %.80q", name)
	}
	return list[0], nil
}

// History is all that there is to know of a collection; before is what was read
// of it before, or nil.
func (c *Coordinator) History(ctx context.Context, id int64, before *daemon.History) (daemon.History, error) {
	return c.Store.History(ctx, id, before)
}

// PutCollection adds a collection or changes the one of its name.
func (c *Coordinator) PutCollection(ctx context.Context, spec daemon.Collection) error {
	if err := spec.Check(); err != nil {
		return err
	}
	err := c.change(ctx, func(ch *change) error {
		list, err := ch.Collections(ch.ctx, spec.Name)
		if err != nil {
			return err
		}
		if len(list) > 0 && list[0].Declared {
			return declared(spec.Name)
		}
		return c.putCollection(ch, spec, false)
	})
	if err == nil {
		c.Log.Info("collection "+spec.Name+" set up", "source", spec.Source)
	}
	return err
}

func declared(name string) error {
	return daemon.Errorf(daemon.Conflict, "the collection %q stands in the configuration file: change it there", name)
}

func (c *Coordinator) putCollection(ch *change, spec daemon.Collection, declared bool) error {
	ch.then = append(ch.then, c.happen)
	return ch.PutCollection(ch.ctx, spec, declared)
}

// DeclareCollections makes the collections of the configuration those of the
// database. One that the configuration had before is not updated by itself any
// more and can be removed; its history stays until then.
func (c *Coordinator) DeclareCollections(ctx context.Context, specs []daemon.Collection) error {
	for i := range specs {
		if err := specs[i].Check(); err != nil {
			return err
		}
	}
	return c.change(ctx, func(ch *change) error {
		list, err := ch.Collections(ch.ctx, "")
		if err != nil {
			return err
		}
		for _, old := range list {
			still := slices.ContainsFunc(specs, func(s daemon.Collection) bool { return s.Name == old.Name })
			if !old.Declared || still {
				continue
			}
			old.Schedule = ""
			if err := c.putCollection(ch, old.Collection, false); err != nil {
				return err
			}
		}
		for _, spec := range specs {
			if err := c.putCollection(ch, spec, true); err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveCollection forgets a collection and its history; its builds stay.
func (c *Coordinator) RemoveCollection(ctx context.Context, name string) error {
	err := c.change(ctx, func(ch *change) error {
		old, err := collection(ch.ctx, ch.Queries, name)
		if err != nil {
			return err
		}
		if old.Declared {
			return declared(name)
		}
		ch.then = append(ch.then, c.happen)
		_, err = ch.DeleteCollection(ch.ctx, name)
		return err
	})
	if err == nil {
		c.Log.Info("collection " + name + " removed")
	}
	return err
}

// BeginUpdate records that an update of a collection begins. One that ends
// without EndUpdate, because the program did, is to be done again.
func (c *Coordinator) BeginUpdate(ctx context.Context, id int64) error {
	return c.change(ctx, func(ch *change) error {
		ch.then = append(ch.then, c.happen)
		return ch.BeginUpdate(ch.ctx, id, c.Now())
	})
}

// EndUpdate records that it ended; trouble is why it failed, or empty.
func (c *Coordinator) EndUpdate(ctx context.Context, id int64, trouble string) error {
	return c.change(ctx, func(ch *change) error {
		ch.then = append(ch.then, c.happen)
		return ch.EndUpdate(ch.ctx, id, trouble)
	})
}

// RecordEvaluation records what the packages of a collection came to, all of
// whose derivations are stored. It returns the evaluation's number and how many
// packages changed.
func (c *Coordinator) RecordEvaluation(ctx context.Context, name, revision string, packages []daemon.Evaluated) (number, changed int, err error) {
	event := daemon.Event{Name: daemon.EvaluationDone, Collection: name, Revision: revision}
	for _, p := range packages {
		if p.Error != "" {
			event.Errors++
		}
	}
	err = c.change(ctx, func(ch *change) error {
		status, err := collection(ch.ctx, ch.Queries, name)
		if err != nil {
			return err
		}
		e := daemon.Evaluation{Number: status.Latest.Number + 1, Revision: revision, Time: c.Now()}
		if event.Changed, err = ch.InsertEvaluation(ch.ctx, status.ID, e, packages); err != nil {
			return err
		}
		number = e.Number
		return c.event(ch, event)
	})
	if err != nil {
		return 0, 0, err
	}
	c.Log.Info("collection "+name+" evaluated", "revision", revision, "evaluation", number,
		"packages", len(packages), "changed", event.Changed, "errors", event.Errors)
	return number, event.Changed, nil
}

// CancelPointless cancels unstarted builds that were submitted for a collection
// and whose derivation no collection has any more, unless another build waits
// for them. It returns how many.
func (c *Coordinator) CancelPointless(ctx context.Context, name string) (int, error) {
	uuids, err := c.Store.PointlessBuilds(ctx, daemon.Tag{Key: CollectionTag, Value: name})
	if err != nil || len(uuids) == 0 {
		return 0, err
	}
	return c.cancelAll(ctx, uuids, true, true)
}

// A Telling is a package that broke or was fixed, of which hooks are told.
type Telling struct {
	Package int64
	Told    daemon.Told
	Event   daemon.Event // without a name for none
}

// Tell puts what became of packages into the outbox.
func (c *Coordinator) Tell(ctx context.Context, tellings []Telling) error {
	return c.change(ctx, func(ch *change) error {
		for _, t := range tellings {
			if err := ch.Tell(ch.ctx, t.Package, t.Told); err != nil {
				return err
			}
			if t.Event.Name == "" {
				continue
			}
			if err := c.event(ch, t.Event); err != nil {
				return err
			}
		}
		return nil
	})
}

// Happened counts what changes the account of a collection, and returns a
// channel that is closed when the count goes up.
func (c *Coordinator) Happened() (count uint64, more <-chan struct{}) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.happened, c.happening
}

// happen counts. The caller holds mu.
func (c *Coordinator) happen() {
	c.happened++
	close(c.happening)
	c.happening = make(chan struct{})
}
