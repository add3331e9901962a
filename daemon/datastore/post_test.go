package datastore

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The post "Tiny Build Farm for Guix" sends people to the database with the
// program sqlite3. What it tells them to type works here, while the daemon
// runs.

// sqlite3 runs SQL or a dot command as people do.
func sqliteProgram(t *testing.T, s *Store, input string) string {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the program sqlite3 is not installed")
		}
		t.Skip("the program sqlite3 is not installed")
	}
	out, err := exec.Command("sqlite3", "-batch", s.File(), input).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", input, err, out)
	}
	return string(out)
}

const postAgent = "e092df28-3418-4f94-b7f0-a214b03291ee"

// post is a database in the state that the post has when it comes to SQL.
func post(t *testing.T) *Store {
	s := fresh(t)
	update(t, s, func(ctx context.Context, tx *Tx) error {
		if err := tx.InsertAgent(ctx, postAgent, "", ""); err != nil {
			return err
		}
		return tx.InsertPassword(ctx, postAgent, Password{"salted-hash", noon})
	})
	return s
}

func TestThePostsTablesAreThere(t *testing.T) {
	tables := strings.Fields(sqliteProgram(t, post(t), ".tables"))
	for _, want := range []string{"agent_passwords", "agent_tags", "agents", "builds", "tags"} {
		if !slices.Contains(tables, want) {
			t.Errorf("got the tables %v, want %s among them", tables, want)
		}
	}
}

func TestTheTableAgentsIsThatOfThePost(t *testing.T) {
	const want = `CREATE TABLE agents (
       id TEXT PRIMARY KEY,
       description TEXT
, name TEXT, active NOT NULL DEFAULT 1);
`
	if got := sqliteProgram(t, post(t), ".schema agents"); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestThePostsQueryOfPasswordsShowsOneWithItsTime(t *testing.T) {
	const want = "1|" + postAgent + "|salted-hash|2025-08-13 12:00:00\n"
	if got := sqliteProgram(t, post(t), "select * from agent_passwords;"); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestThePostsUpdateOfAnAgentIsSeenByTheDaemon(t *testing.T) {
	s := post(t)
	ctx := context.Background()
	if a := must(s.Agents(ctx))(t)[0]; a.Name != "" || a.Description != "" || !a.Active {
		t.Fatalf("before: got %+v", a)
	}
	sqliteProgram(t, s, "update agents set name='bedok', description='TBFG agent' where id='"+postAgent+"';")
	if got, want := sqliteProgram(t, s, "select * from agents;"), postAgent+"|TBFG agent|bedok|1\n"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	a, found, err := s.Agent(ctx, postAgent)
	if err != nil || !found || a.Name != "bedok" || a.Description != "TBFG agent" || !a.Active {
		t.Fatalf("the daemon sees %+v, %v, %v", a, found, err)
	}
	sqliteProgram(t, s, "update agents set active=0;")
	if a, _, err := s.Agent(ctx, postAgent); err != nil || a.Active {
		t.Fatalf("the daemon sees %+v, %v, want an agent that is not active", a, err)
	}
}

func TestTheDaemonsChangesAreSeenByThePostsQuery(t *testing.T) {
	s := post(t)
	sqliteProgram(t, s, "select * from agents;")
	agent(t, s, "second")
	if got, want := sqliteProgram(t, s, "select count(*) from agents;"), "2\n"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}
