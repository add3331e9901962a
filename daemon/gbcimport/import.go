package gbcimport

import (
	"context"
	"errors"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// errDryRun undoes what a dry run did.
var errDryRun = errors.New("dry run")

// Import brings what the file has into a store, all or nothing. A dry run does
// the same, reports the same, and takes it all back. Things without a time of
// their own are given now.
func (s *Source) Import(ctx context.Context, store *datastore.Store, now time.Time, dryRun bool) (*Report, error) {
	report := &Report{DryRun: dryRun, builds: make(map[string]bool)}
	err := store.Update(ctx, func(tx *datastore.Tx) error {
		m := &importer{Source: s, Tx: tx, report: report, now: now}
		for _, part := range []func(context.Context) error{m.loadTags, m.importAgents, m.importPasswords, m.importAgentTags,
			m.importGraph, m.importBuilds} {
			if err := part(ctx); err != nil {
				return err
			}
		}
		if err := s.check(); err != nil {
			return err
		}
		if dryRun {
			return errDryRun
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, err
	}
	return report, nil
}

// importer is an import under way. The maps are by rows of the file.
type importer struct {
	*Source
	*datastore.Tx
	report      *Report
	now         time.Time
	tags        map[int64]daemon.Tag
	agents      map[string]*agent // all that are ours now, by id
	derivations map[int64]storepath.Path
}
