package scheduler

import "testing"

func TestRequired(t *testing.T) {
	s := New()
	s.Add(Build{ID: 1, System: "x", Makes: []int64{10}})
	s.Add(Build{ID: 2, System: "x", Makes: []int64{20}, Needs: []Need{{Output: 10}}})
	s.Add(Build{ID: 3, System: "x", Makes: []int64{30}, Needs: []Need{{Output: 10}, {Output: 20}}})
	want := func(id int64, except map[int64]bool, want bool) {
		t.Helper()
		if got := s.Required(id, except); got != want {
			t.Errorf("build %d, except %v: got %v, want %v", id, except, got, want)
		}
	}
	want(1, nil, true)
	want(1, map[int64]bool{2: true}, true)
	want(1, map[int64]bool{2: true, 3: true}, false)
	want(3, nil, false)
	want(9, nil, false)
	s.Cancel(3)
	want(2, nil, false)
	want(1, nil, true)
	s.Finish(1, true)
	want(1, nil, false)
}
