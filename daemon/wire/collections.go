package wire

import "codeberg.org/tbfg/tbfg/daemon"

// The messages about collections, all of them tbfg's own. The account itself is
// package account's.

// Collection is a collection with how its updates went.
type Collection struct {
	daemon.Collection
	Declared   bool   `json:"declared,omitempty"` // in the configuration, which alone changes it
	Updating   bool   `json:"updating,omitempty"`
	Attempted  Time   `json:"attempted_at,omitzero"`
	Updated    Time   `json:"updated_at,omitzero"`
	Trouble    string `json:"trouble,omitempty"` // why the last update failed
	Evaluation int    `json:"evaluation,omitempty"`
	Evaluated  string `json:"evaluated_revision,omitempty"`
}

// NewCollection is a collection as it goes out.
func NewCollection(c daemon.CollectionStatus) Collection {
	return Collection{c.Collection, c.Declared, c.Updating, Time{c.Attempted}, Time{c.Updated}, c.Trouble, c.Latest.Number, c.Latest.Revision}
}

// CollectionList answers GET /collections.
type CollectionList struct {
	Collections []Collection `json:"collections"`
}

// UpdateCollection is the body of POST /collection/NAME/update.
type UpdateCollection struct {
	DryRun bool `json:"dry_run,omitempty"`
}
