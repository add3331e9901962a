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
	// work once and returns the value measured. Where nobody else does the
	// same there is no peer, and the goal bounds our value itself.
	prepare func(ctx context.Context, s *setup) (ours, peers side, err error)

	// measure, if set, stands for prepare and runs: where preparing takes
	// long, several figures come of it, each under a name of its own.
	measure func(ctx context.Context, s *setup) (figure, error)
}

type side func(ctx context.Context) (float64, error)

// A goal bounds the ratio of our value to the peer's, the median of all pairs
// of runs, or, without a peer, our value.
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
	text := fmt.Sprintf("%-10s %s", r.name, r.what)
	if r.measure != nil {
		return text
	}
	bound := "at least"
	if r.goal.most {
		bound = "at most"
	}
	if r.peer == "" {
		return fmt.Sprintf("%s\n%-10s in %s; it should be %s %g", text, "", r.unit, bound, r.goal.ratio)
	}
	return fmt.Sprintf("%s\n%-10s against %s\n%-10s in %s; the ratio should be %s %g",
		text, "", r.peer, "", r.unit, bound, r.goal.ratio)
}

// run prepares the race and runs it.
func (r *race) run(ctx context.Context) (f figure, err error) {
	s := &setup{name: r.name}
	defer func() { err = errors.Join(err, s.undo()) }()
	s.progress("preparing")
	if r.measure != nil {
		return r.measure(ctx, s)
	}
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
		if peers == nil {
			turns = turns[:1]
		}
		if i%2 == 1 {
			slices.Reverse(turns) // whoever is second must not always find the caches warmer
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return f, err
			}
		}
		text := fmt.Sprintf("run %d of %d: %s %s", i+1, r.runs, short(f.ours[i]), r.unit)
		if peers != nil {
			text += ", peer " + short(f.peers[i])
		}
		s.progress(text)
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
	more        []figure // that the same run gave, for lines of their own
}

// bounded is what the goal bounds. The two runs of a pair follow each other, so
// that what else the machine does then weighs on both.
func (f figure) bounded() float64 {
	if len(f.peers) == 0 {
		return median(f.ours)
	}
	ratios := make([]float64, len(f.ours))
	for i := range ratios {
		ratios[i] = f.ours[i] / f.peers[i]
	}
	return median(ratios)
}

func (f figure) verdict() string {
	if f.goal.ratio == 0 {
		return "-" // nobody set one
	}
	if f.goal.met(f.bounded()) {
		return "met"
	}
	return "short"
}

func (f figure) String() string {
	peer, ratio := "-", "-"
	if len(f.peers) > 0 {
		peer, ratio = short(median(f.peers)), fmt.Sprintf("%.3g", f.bounded())
	}
	bound := "-"
	if f.goal.ratio != 0 {
		bound = fmt.Sprintf("%g", f.goal.ratio)
	}
	line := fmt.Sprintf("%s %s %s  peer=%s  ratio=%s  goal=%s  %s",
		f.name, short(median(f.ours)), f.unit, peer, ratio, bound, f.verdict())
	for _, other := range f.more {
		line += "\n" + other.String()
	}
	return line
}

func (f figure) json() string {
	var peer, ratio any // null without a peer
	if len(f.peers) > 0 {
		peer, ratio = median(f.peers), f.bounded()
	}
	text, err := json.Marshal(struct {
		Name  string    `json:"name"`
		Value float64   `json:"value"`
		Unit  string    `json:"unit"`
		Peer  any       `json:"peer"`
		Ratio any       `json:"ratio"`
		Goal  float64   `json:"goal"`
		Most  bool      `json:"goal_is_maximum"`
		Met   bool      `json:"met"`
		Ours  []float64 `json:"values"`
		Peers []float64 `json:"peer_values"`
	}{f.name, median(f.ours), f.unit, peer, ratio, f.goal.ratio, f.goal.most, f.goal.met(f.bounded()), f.ours, f.peers})
	if err != nil {
		panic(err) // only numbers that JSON does not have
	}
	for _, other := range f.more {
		text = append(append(text, '\n'), other.json()...)
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
