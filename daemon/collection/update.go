package collection

import (
	"context"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/dataservice"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// An Outcome is what an update came to or, of a dry run, would come to.
type Outcome struct {
	Collection string   `json:"collection"`
	DryRun     bool     `json:"dry_run,omitempty"`
	Revision   string   `json:"revision"`
	Evaluation int      `json:"evaluation,omitempty"` // its number; 0 if there is nothing new to record
	Packages   int      `json:"packages"`
	Errors     int      `json:"not_evaluated"`
	Changed    int      `json:"changed"` // packages with another derivation, or error, than before
	New        []string `json:"new"`     // derivations that no package of the collection had before
	Submitted  int      `json:"builds_submitted"`
	Inputs     int      `json:"input_builds_submitted"`
	Canceled   int      `json:"builds_canceled"`
}

// Update updates a collection. It goes on when ctx ends, since it is the
// keeper's work; only its outcome is lost then. Of two updates of a collection
// at the same time the second one is refused.
func (k *Keeper) Update(ctx context.Context, name string, dry bool) (Outcome, error) {
	status, err := k.Coordinator.Collection(ctx, name)
	if err != nil {
		return Outcome{}, err
	}
	if err := k.begin(name); err != nil {
		return Outcome{}, err
	}
	type result struct {
		outcome Outcome
		err     error
	}
	done := make(chan result, 1)
	k.work.Go(func() {
		o, err := k.update(k.life, status, dry)
		k.ended(name) // before somebody hears of it and begins another
		done <- result{o, err}
	})
	select {
	case r := <-done:
		return r.outcome, r.err
	case <-ctx.Done():
		return Outcome{}, context.Cause(ctx)
	}
}

func (k *Keeper) begin(name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life.Err() != nil {
		return daemon.Errorf(daemon.Unavailable, "the farm is stopping")
	}
	if since, running := k.updating[name]; running {
		return daemon.Errorf(daemon.Conflict, "an update of the collection %s has been running since %s", name, since.UTC().Format(time.DateTime))
	}
	k.updating[name] = k.Coordinator.Now()
	return nil
}

func (k *Keeper) ended(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.updating, name)
}

// update does the work. Whatever it did before it was killed it finds done when
// it is repeated.
func (k *Keeper) update(ctx context.Context, status daemon.CollectionStatus, dry bool) (Outcome, error) {
	if dry {
		return k.try(ctx, status, true)
	}
	if err := k.Coordinator.BeginUpdate(ctx, status.ID); err != nil {
		return Outcome{}, err
	}
	o, err := k.try(ctx, status, false)
	if ctx.Err() != nil {
		return o, daemon.Errorf(daemon.Unavailable, "the farm is stopping; it takes the update up again after its next start")
	}
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	if e := k.Coordinator.EndUpdate(ctx, status.ID, clip(trouble, maxError)); err == nil {
		err = e
	}
	return o, err
}

func (k *Keeper) try(ctx context.Context, status daemon.CollectionStatus, dry bool) (o Outcome, err error) {
	o = Outcome{Collection: status.Name, DryRun: dry, New: []string{}}
	var found []Found
	if o.Revision, found, err = k.evaluate(ctx, status.Collection); err != nil {
		return o, err
	}
	if len(found) == 0 {
		return o, daemon.Errorf(daemon.Invalid, "the collection %s has no packages now; the account stays as it was", status.Name)
	}
	current, err := k.Coordinator.Store.CurrentPackages(ctx, status.ID)
	if err != nil {
		return o, err
	}
	known := make(map[string]bool, len(current))
	for _, p := range current {
		known[string(p.Derivation)] = true
	}
	for _, f := range found {
		if f.Derivation != "" && !known[f.Derivation] {
			known[f.Derivation] = true
			o.New = append(o.New, f.Derivation)
		}
	}
	if !dry {
		if err := k.submit(ctx, &status.Collection, &o, found); err != nil {
			return o, err
		}
		if err := k.fillSystems(ctx, found); err != nil {
			return o, err
		}
	}
	packages := name(found)
	o.Packages, o.Changed = len(packages), changes(current, packages)
	for _, p := range packages {
		if p.Error != "" {
			o.Errors++
		}
	}
	if dry {
		return o, nil
	}
	if o.Changed > 0 || status.Latest.Number == 0 || o.Revision != status.Latest.Revision {
		if o.Evaluation, o.Changed, err = k.Coordinator.RecordEvaluation(ctx, status.Name, o.Revision, packages); err != nil {
			return o, err
		}
	}
	o.Canceled, err = k.Coordinator.CancelPointless(ctx, status.Name)
	return o, err
}

// evaluate asks a collection's source.
func (k *Keeper) evaluate(ctx context.Context, c daemon.Collection) (revision string, found []Found, err error) {
	if len(c.Systems) == 0 {
		c.Systems = []string{k.System}
	}
	switch c.Source {
	case daemon.FromDataService:
		return fromService(ctx, &dataservice.Client{Base: c.URL, HTTP: k.HTTP}, &c)
	case daemon.FromFile:
		return fromFile(&c)
	}
	return fromGuix(ctx, k.Command, &c)
}

// submit submits builds of what is new. What cannot be had, or makes no sense,
// becomes the package's error; what may work later ends the update.
func (k *Keeper) submit(ctx context.Context, c *daemon.Collection, o *Outcome, found []Found) error {
	s := daemon.Submission{Priority: c.BuildPriority(), SkipIfOutputsHaveBuild: true, WithInputs: c.WithInputs,
		Tags: []daemon.Tag{{Key: coordinator.CollectionTag, Value: c.Name}, {Key: "revision", Value: clip(o.Revision, 400)}}}
	if c.Source == daemon.FromDataService {
		s.SubstituteURLs = []string{c.URL} // it has the derivations
	}
	refused := make(map[string]error)
	var paths []storepath.Path
	for _, drv := range o.New {
		if path, err := storepath.DefaultDir.Parse(drv); err != nil {
			refused[drv] = err
		} else {
			paths = append(paths, path)
		}
	}
	done, err := k.Coordinator.SubmitTogether(ctx, s, paths)
	if err != nil {
		return err
	}
	for path, d := range done {
		switch {
		case d.Err != nil:
			refused[string(path)] = d.Err
		case d.UUID != "":
			o.Submitted++
		}
		o.Inputs += d.Inputs
	}
	for i := range found {
		if err := refused[found[i].Derivation]; err != nil {
			found[i].Derivation, found[i].Error = "", err.Error()
		}
	}
	return nil
}

// fillSystems finds out for what systems derivations are whose source did not
// know. They are stored.
func (k *Keeper) fillSystems(ctx context.Context, found []Found) error {
	for i := range found {
		f := &found[i]
		if f.System == "" && f.Derivation != "" {
			id, err := k.Coordinator.Store.DerivationID(ctx, storepath.Path(f.Derivation))
			if err != nil {
				return err
			}
			shape, err := k.Coordinator.Store.Shape(ctx, id)
			if err != nil {
				return err
			}
			f.System = shape.System
		}
		if f.System == "" {
			f.System = k.System
		}
	}
	return nil
}

// changes counts the packages that are not as they were, or not there any more.
func changes(current []datastore.CurrentPackage, packages []daemon.Evaluated) (n int) {
	type key struct{ name, system, target string }
	before := make(map[key]daemon.Evaluated, len(current))
	for _, p := range current {
		before[key{p.Package, p.System, p.Target}] = p.Evaluated
	}
	for _, p := range packages {
		k := key{p.Package, p.System, p.Target}
		if old, there := before[k]; !there || old != p {
			n++
		}
		delete(before, k)
	}
	return n + len(before)
}
