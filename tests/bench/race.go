package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// A race measures the same thing of this program and of a peer. Each has a
// file of its own, which registers it.
type race struct {
	name string
	what string // is measured
	peer string // who is the other side
	unit string // of the values
	goal goal
	runs int // of each side

	// prepare sets up what both sides need and returns them. A side does the
	// work once and returns the value measured.
	prepare func(ctx context.Context, s *setup) (ours, peers side, err error)
}

type side func(ctx context.Context) (float64, error)

// A goal bounds the ratio of our value to the peer's.
type goal struct {
	ratio float64
	most  bool // a ratio above it misses the goal; otherwise one below does
}

func atMost(ratio float64) goal  { return goal{ratio, true} }
func atLeast(ratio float64) goal { return goal{ratio, false} }

func (g goal) met(ratio float64) bool {
	if g.most {
		return ratio <= g.ratio
	}
	return ratio >= g.ratio
}

// races has all of them, sorted by name.
var races []*race

func register(r *race) {
	races = append(races, r)
	slices.SortFunc(races, func(a, b *race) int { return strings.Compare(a.name, b.name) })
}

func (r *race) describe() string {
	bound := "at least"
	if r.goal.most {
		bound = "at most"
	}
	return fmt.Sprintf("%-10s %s\n%-10s against %s\n%-10s in %s; the ratio should be %s %g",
		r.name, r.what, "", r.peer, "", r.unit, bound, r.goal.ratio)
}

// run prepares the race and runs it.
func (r *race) run(ctx context.Context) (f figure, err error) {
	s := &setup{name: r.name}
	defer func() { err = errors.Join(err, s.undo()) }()
	s.progress("preparing")
	ours, peers, err := r.prepare(ctx, s)
	if err != nil {
		return f, err
	}
	f = figure{race: r}
	for i := range r.runs {
		turns := []func() error{
			func() error { return measure(ctx, ours, &f.ours) },
			func() error { return measure(ctx, peers, &f.peers) },
		}
		if i%2 == 1 {
			slices.Reverse(turns) // whoever is second must not always find the caches warmer
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return f, err
			}
		}
		s.progress(fmt.Sprintf("run %d of %d: %s %s, peer %s", i+1, r.runs, short(f.ours[i]), r.unit, short(f.peers[i])))
	}
	return f, nil
}

func measure(ctx context.Context, one side, values *[]float64) error {
	v, err := one(ctx)
	*values = append(*values, v)
	return err
}

// A figure is what came of a race.
type figure struct {
	*race
	ours, peers []float64
}

func (f figure) ratio() float64 { return median(f.ours) / median(f.peers) }

func (f figure) verdict() string {
	if f.goal.met(f.ratio()) {
		return "met"
	}
	return "short"
}

func (f figure) String() string {
	return fmt.Sprintf("%s %s %s  peer=%s  ratio=%.3g  goal=%g  %s",
		f.name, short(median(f.ours)), f.unit, short(median(f.peers)), f.ratio(), f.goal.ratio, f.verdict())
}

func (f figure) json() string {
	text, err := json.Marshal(struct {
		Name  string    `json:"name"`
		Value float64   `json:"value"`
		Unit  string    `json:"unit"`
		Peer  float64   `json:"peer"`
		Ratio float64   `json:"ratio"`
		Goal  float64   `json:"goal"`
		Most  bool      `json:"goal_is_maximum"`
		Met   bool      `json:"met"`
		Ours  []float64 `json:"values"`
		Peers []float64 `json:"peer_values"`
	}{f.name, median(f.ours), f.unit, median(f.peers), f.ratio(), f.goal.ratio, f.goal.most, f.goal.met(f.ratio()), f.ours, f.peers})
	if err != nil {
		panic(err) // only numbers that JSON does not have
	}
	return string(text)
}

// short prints a value with as many digits as mean something.
func short(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// A setup collects what a race must undo.
type setup struct {
	name  string
	steps []func() error
}

// later has something done after the race, the last things first.
func (s *setup) later(f func() error) { s.steps = append(s.steps, f) }

func (s *setup) undo() error {
	var errs []error
	for _, f := range slices.Backward(s.steps) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

func (s *setup) progress(text string) { fmt.Fprintf(os.Stderr, "%s: %s\n", s.name, text) }
