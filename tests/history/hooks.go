package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/event"
)

// A Told is an event as a hook read it.
type Told struct {
	Event string `json:"event"`
	Build string `json:"build_id"`
}

// A Scribe is a hook that writes down what it is told.
type Scribe struct{ file string }

// NewScribe is a hook that the farm has still to be told of.
func NewScribe(t testing.TB) *Scribe { return &Scribe{filepath.Join(t.TempDir(), "events")} }

// Configure adds the hook to a farm's configuration. It is of a program that
// appends a line at once, since the farm is killed while it runs.
func (s *Scribe) Configure(conf *config.Config) error {
	tee, err := exec.LookPath("tee")
	if err != nil {
		return err
	}
	conf.Hooks.Each = append(conf.Hooks.Each, config.Hook{Name: "scribe", Command: []string{tee, "-a", s.file},
		Events: []string{event.BuildSubmitted, event.BuildStarted, event.BuildSuccess, event.BuildFailure, event.BuildCanceled, event.BuildMissingInputs}})
	return nil
}

// Told is all that the hook was told, in the order of telling.
func (s *Scribe) Told() (all []Told, err error) {
	f, err := os.Open(s.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var told Told
		if err := json.Unmarshal(lines.Bytes(), &told); err != nil {
			return nil, fmt.Errorf("a hook was told %q: %w", lines.Text(), err)
		}
		all = append(all, told)
	}
	return all, lines.Err()
}
