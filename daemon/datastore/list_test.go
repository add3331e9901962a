package datastore

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"

	"github.com/google/go-cmp/cmp"
)

// many is the number of builds of crowd.
const many = 120_000

// crowd is a farm with a great many builds. All have the tag all=yes, every
// third one a value of its own of the key third. A few among the last are out
// of the ordinary: many-9 has the tag rare=yes and the key odd, many-8 waits,
// many-7 was canceled, many-6 failed, many-5 is of the derivation other and
// many-4 of one for another system, many-3 has a priority and many-2 is newer.
// All others succeeded.
func crowd(t *testing.T) *Store {
	t.Helper()
	s := fresh(t)
	hello, other, id := insert(t, s, "hello"), insert(t, s, "other"), agent(t, s, "bedok")
	arm := insertDerivation(t, s, "arm", &derivation.Derivation{System: "aarch64-linux",
		Outputs: []derivation.Output{{Name: "out", Path: item("arm")}}})
	for _, statement := range []string{
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
		 INSERT INTO builds (id, uuid, derivation_id, processed, canceled, created_at, priority)
		 SELECT i, printf('00000000-0000-4000-8000-%012d', i), CASE i WHEN ?1 - 5 THEN ?3 WHEN ?1 - 4 THEN ?4 ELSE ?2 END,
		        i NOT IN (?1 - 7, ?1 - 8), i = ?1 - 7, iif(i = ?1 - 2, '2025-08-14 12:00:00', '2025-08-13 12:00:00'), i = ?1 - 3 FROM n`,
		`INSERT INTO build_results (build_id, agent_id, result)
		 SELECT id, ?5, iif(id = ?1 - 6, 'failure', 'success') FROM builds WHERE processed`,
		`INSERT INTO tags (id, key, value) VALUES (1, 'all', 'yes'), (2, 'rare', 'yes'), (3, 'odd', '1'), (4, 'odd', '2')`,
		`INSERT INTO tags (key, value) SELECT 'third', id FROM builds WHERE id % 3 = 0`,
		`INSERT INTO build_tags (build_id, tag_id) SELECT id, 1 FROM builds
		 UNION ALL VALUES (?1 - 9, 2), (?1 - 9, 4) UNION ALL SELECT value, id FROM tags WHERE key = 'third'`,
	} {
		if _, err := s.writer.Exec(statement, []any{many, hello, other, arm, id}[:parameters(statement)]...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return s
}

// Who asks for a page of a list must not wait for all builds of the farm to be
// looked at.
func TestAPageOfTheListLooksAtFewBuilds(t *testing.T) {
	s := crowd(t)
	yes, no, zero := true, false, int64(0)
	rare, all := tagged("rare", "yes"), tagged("all", "yes")
	for _, tt := range []struct {
		name   string
		filter BuildFilter
		want   []int // their distance from the last, for those that are all
		most   int   // builds that are looked at
	}{
		{"unfinished", BuildFilter{Processed: &no, Canceled: &no}, []int{8}, 1},
		{"not processed", BuildFilter{Processed: &no}, []int{8, 7}, 2},
		{"canceled", BuildFilter{Canceled: &yes}, []int{7}, 1},
		{"canceled ones with a common tag", BuildFilter{Canceled: &yes, Tags: []TagFilter{all}}, []int{7}, 1},
		{"processed and canceled", BuildFilter{Processed: &yes, Canceled: &yes}, nil, 1},
		{"failed", BuildFilter{Result: "failure"}, []int{6}, 1},
		{"with a rare tag", BuildFilter{Tags: []TagFilter{rare}}, []int{9}, 1},
		{"with a common tag and a rare one", BuildFilter{Tags: []TagFilter{all, rare}}, []int{9}, 1},
		{"with a rare tag, and processed", BuildFilter{Tags: []TagFilter{rare}, Processed: &yes}, []int{9}, 1},
		{"with a rare tag, but not a common one", BuildFilter{Tags: []TagFilter{rare}, NotTags: []TagFilter{all}}, nil, 1},
		{"with a rare key", BuildFilter{Tags: []TagFilter{{Key: "odd"}}}, []int{9}, 1},
		{"with a rare key after that", BuildFilter{Tags: []TagFilter{{Key: "odd"}}, After: uuid(many - 9)}, nil, 0},
		{"with a common key and a rare one", BuildFilter{Tags: []TagFilter{{Key: "all"}, {Key: "odd"}}}, []int{9}, 1},
		{"with a tag that nobody knows", BuildFilter{Tags: []TagFilter{tagged("all", "no")}}, nil, 0},
		{"with a key that nobody knows", BuildFilter{Tags: []TagFilter{{Key: "none"}}}, nil, 0},
		{"of a derivation", BuildFilter{Derivation: item("other.drv")}, []int{5}, 1},
		{"of an output", BuildFilter{Output: item("other")}, []int{5}, 1},
		{"of an output that nobody makes", BuildFilter{Output: item("none")}, nil, 0},
		{"for another system", BuildFilter{Systems: []string{"aarch64-linux", "riscv64-linux"}}, []int{4}, 1},
		{"not for the usual system", BuildFilter{NotSystems: []string{"x86_64-linux"}}, []int{4}, 1},
		{"for a system that nobody knows", BuildFilter{Systems: []string{"vax"}}, nil, 0},
		{"urgent", BuildFilter{PriorityAbove: &zero}, []int{3}, 1},
		{"created lately", BuildFilter{CreatedAfter: noon.AddDate(0, 0, 1).Add(-time.Second)}, []int{2}, 1},
		{"created lately, and urgent", BuildFilter{CreatedAfter: noon.AddDate(0, 0, 1).Add(-time.Second), PriorityAbove: &zero}, nil, 0},
		{"created long ago", BuildFilter{CreatedBefore: noon.AddDate(-1, 0, 0)}, nil, 0},
		{"the first of all", BuildFilter{Limit: 3}, []int{many - 1, many - 2, many - 3}, 3},
		{"the first that were processed", BuildFilter{Processed: &yes, Limit: 2}, []int{many - 1, many - 2}, 2},
		{"the first with a common key", BuildFilter{Tags: []TagFilter{{Key: "third"}}, Limit: 2}, []int{many - 3, many - 6}, 2 + lookAhead},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, looked, err := s.builds(context.Background(), tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, b := range rows {
				got = append(got, many-int(b.ID))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("builds (-want +got):\n%s", diff)
			}
			if looked > tt.most {
				t.Errorf("looked at %d builds, want at most %d", looked, tt.most)
			}
		})
	}
}

func TestTheListIsWholeInPagesOfAnySize(t *testing.T) {
	s := crowd(t)
	const rest = 9000
	f := BuildFilter{Tags: []TagFilter{tagged("all", "yes")}, NotTags: []TagFilter{{Key: "third"}}, After: uuid(many - rest)}
	whole := must(s.Builds(context.Background(), f))(t)
	if len(whole) != rest/3*2 {
		t.Fatalf("got %d builds, want %d", len(whole), rest/3*2)
	}
	var pages []BuildRow
	f.Limit = 1501
	for {
		page := must(s.Builds(context.Background(), f))(t)
		pages = append(pages, page...)
		if len(page) < f.Limit {
			break
		}
		f.After = page[len(page)-1].UUID
	}
	if diff := cmp.Diff(whole, pages); diff != "" {
		t.Fatalf("in pages (-whole +pages):\n%s", diff)
	}
}

// What looks at builds one after the other stops at its limit, if it finds them
// in their order; else it would look at all to sort them.
func TestTheNextBuildsAreFoundInTheirOrder(t *testing.T) {
	s := fresh(t)
	few := []string{"builds_after_output", "builds_with_key"} // of a handful
	for name, text := range texts(t) {
		if !strings.HasPrefix(name, "builds_") || slices.Contains(few, name) {
			continue
		}
		plan := explain(t, s, text, parameters(text))
		for _, step := range plan {
			if strings.Contains(step, "TEMP B-TREE") || strings.HasPrefix(step, "SEARCH") && !strings.Contains(step, "INDEX") && !strings.Contains(step, "PRIMARY KEY") {
				t.Errorf("%s: %s; the plan is:\n%s", name, step, strings.Join(plan, "\n"))
			}
		}
	}
	plan := explain(t, s, texts(t)["builds"], parameters(texts(t)["builds"]))
	if plan[0] != "SEARCH b USING INTEGER PRIMARY KEY (rowid=?)" || strings.Contains(strings.Join(plan, "\n"), "TEMP B-TREE FOR ORDER BY") {
		t.Errorf("builds: it does not begin with those that it is given; the plan is:\n%s", strings.Join(plan, "\n"))
	}
}

func TestBuildsOfAResultOrAnOutputAreChosen(t *testing.T) {
	s := list(t)
	for _, tt := range []struct {
		filter BuildFilter
		want   []daemon.State
	}{
		{BuildFilter{Result: "success"}, []daemon.State{daemon.Succeeded}},
		{BuildFilter{Result: "failure"}, []daemon.State{daemon.Failed}},
		{BuildFilter{Output: item("hello-arm")}, []daemon.State{daemon.Deferred}},
		{BuildFilter{Output: item("hello"), Result: "failure"}, []daemon.State{daemon.Failed}},
	} {
		var got []daemon.State
		for _, b := range must(s.Builds(context.Background(), tt.filter))(t) {
			got = append(got, b.State)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.filter, diff)
		}
	}
}
