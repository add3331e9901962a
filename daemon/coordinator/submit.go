package coordinator

import (
	"context"
	"net/url"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"

	"github.com/google/uuid"
)

// Limits of what people attach to a build or an agent.
const (
	maxTags    = 100
	maxTagSize = 500 // bytes, of key and value each
	maxURLs    = 20
)

// Submit stores the derivation with its input graph and, unless the
// submission says otherwise, a build of it.
func (c *Coordinator) Submit(ctx context.Context, s daemon.Submission) (daemon.Submitted, error) {
	began := c.Now()
	if err := checkSubmission(&s); err != nil {
		return daemon.Submitted{}, err
	}
	if !s.NotBefore.After(c.Now()) {
		s.NotBefore = time.Time{} // its time has come
	}
	urls := s.SubstituteURLs
	if len(urls) == 0 {
		urls = c.settings().SubstituteURLs
	}
	graph, release, err := c.loadGraph(ctx, urls, s.Derivation)
	if err != nil {
		return daemon.Submitted{}, err
	}
	defer release()
	var done daemon.Submitted
	err = c.change(ctx, func(ch *change) (err error) {
		if err := ch.InsertGraph(ch.ctx, graph); err != nil {
			return err
		}
		done, err = c.submitStored(ch, s, storedDerivation{s.Derivation, graph.ID()})
		return err
	})
	if err != nil {
		return daemon.Submitted{}, err
	}
	c.Observe.SubmissionTook(c.Now().Sub(began))
	if done.UUID != "" {
		c.Log.Info("build "+done.UUID+" submitted", "derivation", s.Derivation, "priority", s.Priority, "inputs", done.Inputs)
	}
	return done, nil
}

// whyNot tells why a submission leads to no build, if so.
func whyNot(ch *change, s daemon.Submission, derivation int64) (reason string, err error) {
	if s.SkipIfDerivationHasBuild {
		if has, err := ch.DerivationHasBuild(ch.ctx, derivation); has || err != nil {
			return daemon.DerivationHasBuild, err
		}
	}
	if s.SkipIfOutputsHaveBuild {
		if has, err := ch.OutputsHaveBuild(ch.ctx, derivation); has || err != nil {
			return daemon.OutputHasBuild, err
		}
	}
	return "", nil
}

// submitInputs adds builds for the derivations of the input graph that have
// none.
func (c *Coordinator) submitInputs(ch *change, s daemon.Submission, derivation int64) (n int, err error) {
	inputs, err := ch.InputsWithoutBuild(ch.ctx, derivation)
	if err != nil {
		return 0, err
	}
	for _, input := range inputs {
		build := daemon.Submission{Derivation: input.Path, UUID: uuid.NewString(), Priority: s.Priority, Tags: s.Tags, NotBefore: s.NotBefore}
		if err := c.insertBuild(ch, build, input.ID); err != nil {
			return 0, err
		}
	}
	return len(inputs), nil
}

// insertBuild adds one build to the database and, after the commit, to the
// scheduler.
func (c *Coordinator) insertBuild(ch *change, s daemon.Submission, derivation int64) error {
	row := daemon.Build{UUID: s.UUID, Derivation: s.Derivation, Priority: s.Priority, Created: c.Now(), NotBefore: s.NotBefore, Tags: s.Tags}
	id, err := ch.InsertBuild(ch.ctx, derivation, row)
	if err != nil {
		return err
	}
	shape, err := ch.Shape(ch.ctx, derivation)
	if err != nil {
		return err
	}
	row.System = shape.System
	if err := c.event(ch, buildEvent(daemon.BuildSubmitted, row)); err != nil {
		return err
	}
	in := schedulerBuild(&datastore.QueuedBuild{ID: id, Shape: shape, Priority: s.Priority, NotBefore: s.NotBefore, Tags: s.Tags})
	ch.then = append(ch.then, func() {
		c.Observe.Submitted(in.System)
		c.sched.Add(in)
		c.announce()
	})
	return nil
}

// checkSubmission bounds a submission and chooses its UUID.
func checkSubmission(s *daemon.Submission) error {
	if !s.Derivation.IsDerivation() {
		return daemon.Errorf(daemon.Invalid, "%s is not a derivation: its name does not end in .drv", s.Derivation)
	}
	if s.UUID == "" {
		s.UUID = uuid.NewString()
	} else if err := CheckUUID(s.UUID); err != nil {
		return err
	}
	if len(s.SubstituteURLs) > maxURLs {
		return daemon.Errorf(daemon.Invalid, "more than %d substitute URLs", maxURLs)
	}
	for _, u := range s.SubstituteURLs {
		parsed, err := url.Parse(u)
		if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
			return daemon.Errorf(daemon.Invalid, "the substitute URL %.200q is not one with http:// or https:// and a host", u)
		}
	}
	return checkTags(s.Tags)
}

func checkTags(tags []daemon.Tag) error {
	if len(tags) > maxTags {
		return daemon.Errorf(daemon.Invalid, "more than %d tags", maxTags)
	}
	for _, t := range tags {
		if t.Key == "" || len(t.Key) > maxTagSize || len(t.Value) > maxTagSize {
			return daemon.Errorf(daemon.Invalid, "a tag's key must have 1 to %d bytes and its value at most as many", maxTagSize)
		}
	}
	return nil
}

// CheckUUID tells whether s is a UUID as upstream writes them: 36 characters,
// lower case.
func CheckUUID(s string) error {
	u, err := uuid.Parse(s)
	if err != nil || u.String() != s {
		return daemon.Errorf(daemon.Invalid, "%.80q is not a UUID such as 7bdd2249-1214-431a-aa61-de4d907f1b32", s)
	}
	return nil
}
