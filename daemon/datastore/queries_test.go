package datastore

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// texts are the files in sql/, by name.
func texts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("sql/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %v, %v, want the queries", files, err)
	}
	texts := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(filepath.Base(file), ".sql")] = string(text)
	}
	return texts
}

func TestEveryQueryIsUsed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for name := range texts(t) {
		if !strings.Contains(source.String(), `"`+name+`"`) {
			t.Errorf("no method uses sql/%s.sql", name)
		}
	}
}

// mayScan are the queries that look at a whole table, and why.
var mayScan = map[string]string{
	// There are few.
	"agents":        "SCAN a",
	"agent_by_name": "SCAN agents",
	"tokens":        "SCAN dynamic_auth_tokens",
	"collections":   "SCAN c USING INDEX sqlite_autoindex_collections_1",
	"holders":       "SCAN allocated_builds USING COVERING INDEX allocated_builds_agent",
	"count_started": "SCAN allocated_builds",
	// The index has only what is asked for.
	"unfinished_builds":    "SCAN b USING INDEX builds_unprocessed",
	"unfinished_tags":      "SCAN b USING COVERING INDEX builds_unprocessed",
	"all_outputs_known":    "SCAN outputs USING COVERING INDEX outputs_known",
	"canceled_derivations": "SCAN b USING INDEX builds_canceled",
	"open_derivations":     "SCAN b USING INDEX builds_unprocessed",
	"given_up_derivations": "SCAN b USING INDEX builds_canceled",
	"failures":             "SCAN o USING COVERING INDEX outputs_known",
	"hook_event_retry":     "SCAN unprocessed_hook_events USING INDEX unprocessed_hook_events_parked",
	"failed_outputs":       "SCAN outputs USING COVERING INDEX outputs_failed",
	// Likewise, and asked at start only.
	"count_ended":    "SCAN builds USING COVERING INDEX builds_ended",
	"count_failed":   "SCAN build_results USING COVERING INDEX build_results_failure",
	"count_canceled": "SCAN builds USING COVERING INDEX builds_canceled",
	// Forgets them all, and SQLite does that at once.
	"complete_graphs_delete": "SCAN complete_graphs",
	// They stop at their limits.
	"recent_builds":      "SCAN b",
	"hook_event_names":   "SCAN unprocessed_hook_events",
	"old_builds":         "SCAN b USING INDEX builds_ended",
	"nth_finished_build": "SCAN builds USING COVERING INDEX builds_ended",
}

var parameter = regexp.MustCompile(`\?[0-9]*`) // without a number each is one of its own

// parameters is how many parameters a query has.
func parameters(text string) (n int) {
	for _, p := range parameter.FindAllString(text, -1) {
		if number, err := strconv.Atoi(p[1:]); err == nil {
			n = max(n, number)
		} else {
			n++
		}
	}
	return n
}

// A farm has millions of builds and tens of millions of inputs: a query that
// looks at a whole table for one of them is a mistake.
func TestNoQueryScansATable(t *testing.T) {
	s := fresh(t)
	for name, text := range texts(t) {
		plan := explain(t, s, text, parameters(text))
		for _, step := range plan {
			scan := strings.HasPrefix(step, "SCAN ") && !strings.HasPrefix(step, "SCAN CONSTANT ROW") &&
				!strings.Contains(step, "VIRTUAL TABLE") && step != "SCAN g" // what a recursion has found so far
			if scan && mayScan[name] != step {
				t.Errorf("%s: %s; the plan is:\n%s", name, step, strings.Join(plan, "\n"))
			}
		}
	}
}

func explain(t *testing.T, s *Store, text string, parameters int) []string {
	t.Helper()
	rows, err := s.writer.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+text, make([]any, parameters)...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
