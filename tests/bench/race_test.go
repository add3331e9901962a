package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{3, 1}, 2},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 100, 2}, 3},
	} {
		before := slices.Clone(test.values)
		if got := median(test.values); got != test.want || !slices.Equal(test.values, before) {
			t.Errorf("median of %v: got %v and %v, want %v", before, got, test.values, test.want)
		}
	}
}

func TestGoals(t *testing.T) {
	for _, test := range []struct {
		goal  goal
		ratio float64
		want  bool
	}{
		{atMost(1.5), 1.4, true}, {atMost(1.5), 1.5, true}, {atMost(1.5), 1.6, false},
		{atLeast(20), 19, false}, {atLeast(20), 20, true}, {atLeast(20), 21, true},
	} {
		if got := test.goal.met(test.ratio); got != test.want {
			t.Errorf("%+v met by %v: got %v", test.goal, test.ratio, got)
		}
	}
}

// sides returns sides that take their values from lists, and the order in
// which they were called.
func sides(a, b []float64) (ours, peers side, order *strings.Builder) {
	order = new(strings.Builder)
	next := func(name string, values *[]float64) side {
		return func(context.Context) (float64, error) {
			order.WriteString(name)
			if len(*values) == 0 {
				return 0, errors.New("no more values")
			}
			v := (*values)[0]
			*values = (*values)[1:]
			return v, nil
		}
	}
	return next("a", &a), next("b", &b), order
}

func TestTheSidesTakeTurns(t *testing.T) {
	ours, peers, order := sides([]float64{1, 2, 30}, []float64{4, 5, 6})
	undone := ""
	r := &race{name: "x", unit: "s", goal: atMost(0.5), runs: 3,
		prepare: func(_ context.Context, s *setup) (side, side, error) {
			s.later(func() error { undone += "1"; return nil })
			s.later(func() error { undone += "2"; return nil })
			return ours, peers, nil
		}}
	f, err := r.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if order.String() != "abbaab" || undone != "21" {
		t.Errorf("got the order %s and undone %s", order, undone)
	}
	if got, want := f.String(), "x 2 s  peer=5  ratio=0.4  goal=0.5  met"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want := `{"name":"x","value":2,"unit":"s","peer":5,"ratio":0.4,"goal":0.5,"goal_is_maximum":true,"met":true,` +
		`"values":[1,2,30],"peer_values":[4,5,6]}`
	if got := f.json(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAFailingSideEndsTheRaceAndIsUndone(t *testing.T) {
	ours, peers, _ := sides([]float64{1}, nil)
	undone := false
	r := &race{runs: 2, prepare: func(_ context.Context, s *setup) (side, side, error) {
		s.later(func() error { undone = true; return nil })
		return ours, peers, nil
	}}
	if _, err := r.run(t.Context()); err == nil || !undone {
		t.Errorf("got error %v, undone %v", err, undone)
	}
}

func TestRacesAreChosenByName(t *testing.T) {
	all, err := choose(nil)
	if err != nil || len(all) < 3 || !slices.IsSortedFunc(all, func(a, b *race) int { return strings.Compare(a.name, b.name) }) {
		t.Errorf("got %d races, %v, want all, sorted", len(all), err)
	}
	if one, err := choose([]string{"nar-hash"}); err != nil || len(one) != 1 || one[0].name != "nar-hash" {
		t.Errorf("got %v, %v", one, err)
	}
	if _, err := choose([]string{"nar-hush"}); err == nil {
		t.Error("a name that is not there is no error")
	}
	if status := run(t.Context(), []string{"--list"}); status != 0 {
		t.Errorf("--list: exit status %d", status)
	}
	if status := run(t.Context(), []string{"nothing"}); status != 2 {
		t.Errorf("an unknown name: exit status %d, want 2", status)
	}
}
