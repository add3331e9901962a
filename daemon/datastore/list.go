package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A BuildFilter chooses builds; the zero value chooses all.
type BuildFilter struct {
	After         string // UUID of the last build of the page before
	Processed     *bool
	Canceled      *bool
	Systems       []string // one of them
	NotSystems    []string
	Tags          []TagFilter // all of them
	NotTags       []TagFilter // none of them
	PriorityAbove *int64
	PriorityBelow *int64
	CreatedAfter  time.Time
	CreatedBefore time.Time
	Derivation    storepath.Path
	Output        storepath.Path // one that the derivation makes
	Result        string         // "success" or "failure"
	NoDependents  bool           // only builds that no unfinished build waits for; the coordinator sees to it
	Limit         int            // zero for no limit
}

// A TagFilter matches a tag; without a value it matches every tag of the key.
type TagFilter struct {
	Key   string  `json:"key"`
	Value *string `json:"value,omitempty"`
}

// args are the parameters of the query builds but the first and the last.
func (f *BuildFilter) args() []any {
	return []any{f.Processed, f.Canceled, listValue(f.Systems), listValue(f.NotSystems), f.PriorityAbove, f.PriorityBelow,
		timeValue(f.CreatedAfter), timeValue(f.CreatedBefore), textValue(string(f.Derivation)), listValue(f.Tags), listValue(f.NotTags),
		textValue(string(f.Output)), textValue(f.Result)}
}

// listValue is a list for the database, as JSON; an empty one is NULL.
func listValue[T string | TagFilter](list []T) any {
	if len(list) == 0 {
		return nil
	}
	text, _ := json.Marshal(list) // strings always have a form
	return string(text)
}

// lookAhead is how many builds are looked at in one go.
const lookAhead = 1000

// Builds are the builds that a filter chooses, oldest first.
//
// What a filter asks for is looked up where few builds have it, and the rest of
// the filter is held against those. Which condition is the rarest nobody knows
// beforehand: each names its next builds, and the one whose thousand reaches
// farthest passes over the most.
func (q Queries) Builds(ctx context.Context, f BuildFilter) ([]BuildRow, error) {
	builds, _, err := q.builds(ctx, f)
	return builds, err
}

// builds returns besides how many builds it looked at.
func (q Queries) builds(ctx context.Context, f BuildFilter) (builds []BuildRow, looked int, err error) {
	args := f.args()
	var after int64
	if f.After != "" {
		if _, err := q.stmts.row(ctx, "build_id", []any{f.After}, &after); err != nil {
			return nil, 0, err
		}
	}
	ahead, room := lookAhead, -1
	if f.Limit > 0 {
		ahead, room = min(lookAhead, f.Limit), f.Limit
	}
	for {
		next, err := q.nextBuilds(ctx, f, after, ahead)
		if err != nil {
			return nil, looked, err
		}
		looked += len(next.ids)
		some, err := q.matching(ctx, next.ids, args, room)
		if err != nil {
			return nil, looked, err
		}
		builds = append(builds, some...)
		if room -= len(some); next.all || f.Limit > 0 && room <= 0 {
			return builds, looked, nil
		}
		after, ahead = next.ids[len(next.ids)-1], lookAhead
	}
}

// matching are those of some builds that a filter chooses, at most limit unless
// that is negative.
func (q Queries) matching(ctx context.Context, ids []int64, args []any, limit int) ([]BuildRow, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	var builds []BuildRow
	err = q.stmts.each(ctx, "builds", append(append([]any{string(list)}, args...), limit), func(rows *sql.Rows) error {
		var b BuildRow
		err := scanBuild(rows, &b)
		builds = append(builds, b)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range builds {
		if builds[i].Tags, err = q.tags(ctx, "build_tags", builds[i].ID); err != nil {
			return nil, err
		}
	}
	return builds, nil
}

// next are the next builds that meet one condition of a filter.
type next struct {
	ids []int64 // sorted
	all bool    // there are no more
}

// reachesFarther tells whether n is the better one to go through.
func (n next) reachesFarther(than next) bool {
	switch {
	case n.all && than.all:
		return len(n.ids) < len(than.ids)
	case n.all || than.all:
		return n.all
	}
	return n.ids[len(n.ids)-1] > than.ids[len(than.ids)-1]
}

// nextBuilds are the next builds after one which a filter may choose.
func (q Queries) nextBuilds(ctx context.Context, f BuildFilter, after int64, n int) (best next, err error) {
	for i, way := range f.ways() {
		is, err := q.next(ctx, way, after, n)
		if err != nil {
			return best, err
		}
		if i == 0 || is.reachesFarther(best) {
			best = is
		}
	}
	// With a key alone, builds are not in their order: only where few have it
	// all of them can be looked through.
	for _, tag := range f.Tags {
		if tag.Value != nil {
			continue
		}
		is, err := q.next(ctx, way{"builds_with_key", []any{tag.Key}}, 0, lookAhead)
		if err != nil {
			return best, err
		}
		slices.Sort(is.ids)
		is.ids = slices.DeleteFunc(slices.Compact(is.ids), func(id int64) bool { return id <= after })
		if is.all && is.reachesFarther(best) {
			best = is
		}
	}
	return best, nil
}

// way is a query for the builds, after the first parameter and as many as the
// second, that meet a condition.
type way struct {
	query string
	args  []any // further ones
}

// ways are the conditions of a filter that have an index in the order of
// builds, or are quickly seen; the first is always there.
func (f *BuildFilter) ways() []way {
	ways := []way{{query: "builds_after"}}
	add := func(want bool, query string, args ...any) {
		if want {
			ways = append(ways, way{query, args})
		}
	}
	is := func(b *bool, value bool) bool { return b != nil && *b == value }
	add(is(f.Processed, false) && is(f.Canceled, false), "builds_after_unfinished")
	add(is(f.Processed, false) && f.Canceled == nil, "builds_after_unprocessed")
	add(is(f.Processed, true), "builds_after_processed")
	add(is(f.Canceled, true), "builds_after_canceled")
	add(f.Result == "failure", "builds_after_failure")
	add(f.Result == "success", "builds_after_processed")
	add(f.Derivation != "", "builds_after_derivation", string(f.Derivation))
	add(f.Output != "", "builds_after_output", string(f.Output))
	add(len(f.Systems)+len(f.NotSystems) > 0, "builds_after_systems", listValue(f.Systems), listValue(f.NotSystems))
	add(f.PriorityAbove != nil || f.PriorityBelow != nil || !f.CreatedAfter.IsZero() || !f.CreatedBefore.IsZero(),
		"builds_after_numbers", f.PriorityAbove, f.PriorityBelow, timeValue(f.CreatedAfter), timeValue(f.CreatedBefore))
	for _, tag := range f.Tags {
		if tag.Value != nil {
			add(true, "builds_after_tag", tag.Key, *tag.Value)
		}
	}
	return ways
}

func (q Queries) next(ctx context.Context, w way, after int64, n int) (is next, err error) {
	err = q.stmts.each(ctx, w.query, append([]any{after, n}, w.args...), func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		is.ids = append(is.ids, id)
		return err
	})
	is.all = len(is.ids) < n
	return is, err
}
