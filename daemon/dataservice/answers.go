package dataservice

import (
	"encoding/json"
	"fmt"
)

// The answers of a service, as far as they are read here, as its source of 2022
// has them. They are decoded by [wire.Unmarshal], which takes hyphens for
// underscores; fields that are missing stay empty, others are ignored.

// repositories answers GET /repositories.
type repositories struct {
	Repositories []repository `json:"repositories"`
}

// repository is a repository that it follows. Its number comes as "id",
// which wire.Unmarshal takes for a spelling of uuid.
type repository struct {
	ID    json.Number `json:"uuid"`
	Label string      `json:"label"`
	URL   string      `json:"url"`
}

// revision answers GET /revision/C and those like it.
type revision struct {
	Revision struct {
		Commit string `json:"commit"`
	} `json:"revision"`
	Error string `json:"error"`
}

// packageList answers GET /revision/C/packages.
type packageList struct {
	Packages []Package `json:"packages"`
	Error    string    `json:"error"`
}

// Package is a package; its location is there if it was asked for.
type Package struct {
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	Location Location `json:"location"`
}

// Location is where a package is defined: an object with file, line and
// column, or the file alone.
type Location struct{ File string }

// UnmarshalJSON implements json.Unmarshaler.
func (l *Location) UnmarshalJSON(data []byte) error {
	var place struct {
		File string `json:"file"`
	}
	if json.Unmarshal(data, &l.File) == nil {
		return nil
	}
	if err := json.Unmarshal(data, &place); err != nil {
		return fmt.Errorf("a location must be an object with a file: %w", err)
	}
	l.File = place.File
	return nil
}

// derivationList answers GET /revision/C/package-derivations.
type derivationList struct {
	Derivations []Derivation `json:"derivations"`
	Error       string       `json:"error"`
}

// Derivation is the derivation of a package.
type Derivation struct {
	Derivation string `json:"derivation"`
	System     string `json:"system"`
	Target     string `json:"target"`
}
