package datastore

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// schema is how many migrations there are.
const schema = 2

func TestAFreshDatabaseIsThereAndPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tbfg.db")
	s := open(t, file)
	if s.File() != file {
		t.Fatalf("got the name %q, want %q", s.File(), file)
	}
	agent(t, s, "bedok") // so that there is a write-ahead log
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(file + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode(); got != 0o600 {
			t.Errorf("%s: got mode %v, want -rw-------", info.Name(), got)
		}
	}
}

func TestWhatWasStoredIsThereAfterReopening(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tbfg.db")
	ctx := context.Background()
	for range 3 {
		s, err := Open(ctx, file)
		if err != nil {
			t.Fatal(err)
		}
		agents, err := s.Agents(ctx)
		if err != nil {
			t.Fatal(err)
		}
		id := string(rune('a' + len(agents)))
		if err := s.Update(ctx, func(tx *Tx) error { return tx.InsertAgent(ctx, id, id, "") }); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(must(open(t, file).Agents(ctx))(t)); got != 3 {
		t.Fatalf("got %d agents, want 3", got)
	}
}

func TestClosingFoldsTheLogIntoTheFile(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(context.Background(), filepath.Join(dir, "tbfg.db"))
	if err != nil {
		t.Fatal(err)
	}
	agent(t, s, "bedok")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("got %v, %v, want the database and its lock", entries, err)
	}
}

func TestTheFileMayHaveAnyName(t *testing.T) {
	for _, name := range []string{"a b.db", "a?mode=ro.db", "a#b.db", "100%.db", "%41.db", "a&b=c.db", "é.db"} {
		file := filepath.Join(t.TempDir(), name)
		open(t, file)
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	t.Chdir(dir)
	open(t, "relative.db")
	if entries, err := filepath.Glob(filepath.Join(dir, "relative.db")); err != nil || len(entries) != 1 {
		t.Errorf("a relative name: got %v, %v", entries, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	const foreign = "this is another program's database, perhaps the Guix Build Coordinator's: " +
		"move it away or choose another database file"
	tests := []struct {
		name string
		make func(t *testing.T, file string)
		want string
	}{
		{"another program's database", madeBy(`CREATE TABLE builds (id INTEGER PRIMARY KEY)`), foreign},
		{"another program's database with a write-ahead log", madeBy(`PRAGMA journal_mode = WAL`, `CREATE TABLE builds (id)`), foreign},
		{"another program's database without tables", madeBy(`PRAGMA user_version = 3`), foreign},
		{"another program's database that says so", madeBy(`PRAGMA application_id = 77`), foreign},
		{"a database of a newer tbfg", func(t *testing.T, file string) {
			s := open(t, file)
			if _, err := s.writer.Exec("PRAGMA user_version = 99"); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}, "it was migrated by a newer tbfg (schema 99, this program knows " + fmt.Sprint(schema) + "): run that one, or restore a backup"},
		{"what is no database", func(t *testing.T, file string) {
			if err := os.WriteFile(file, bytes.Repeat([]byte("agents, builds\n"), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "file is not a database"},
		{"a directory", func(t *testing.T, file string) {
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "guix_build_coordinator.db")
			tt.make(t, file)
			before, _ := os.ReadFile(file)
			s, err := Open(context.Background(), file)
			if err == nil {
				s.Close()
				t.Fatalf("got no error, want one with %q", tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), file) {
				t.Fatalf("got %q, want the file's name and %q", err, tt.want)
			}
			after, _ := os.ReadFile(file)
			if !bytes.Equal(before, after) {
				t.Fatalf("the file was changed")
			}
			os.Remove(file + "-lock") // of the newer tbfg
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Fatalf("got %v, %v, want only the file that was there", entries, err)
			}
		})
	}
}

// madeBy makes a database as another program would.
func madeBy(texts ...string) func(*testing.T, string) {
	return func(t *testing.T, file string) {
		db, err := sql.Open("sqlite3", file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if _, err := db.Exec(text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenSaysWhichDirectoryIsMissing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "missing", "tbfg.db")
	if _, err := Open(context.Background(), file); err == nil || !strings.Contains(err.Error(), file) {
		t.Fatalf("got %v, want an error with the file's name", err)
	}
}

// A daemon that is killed between making the file and the first migration, or
// in the middle of one, starts again.
func TestAHalfMadeDatabaseIsMadeWhole(t *testing.T) {
	t.Run("an empty file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "tbfg.db")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		agent(t, open(t, file), "bedok")
	})
	t.Run("a database without tables", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "tbfg.db")
		madeBy(`PRAGMA journal_mode = WAL`)(t, file)
		agent(t, open(t, file), "bedok")
	})
	t.Run("a migration that fails leaves nothing", func(t *testing.T) {
		s := fresh(t)
		err := apply(context.Background(), s.writer, schema+1, "CREATE TABLE more (id INTEGER); CREATE TABLE builds (id INTEGER)")
		if err == nil {
			t.Fatal("got no error, want one")
		}
		var version, tables int
		row := s.writer.QueryRow("SELECT user_version, (SELECT count(*) FROM sqlite_schema WHERE name = 'more') FROM pragma_user_version")
		if err := row.Scan(&version, &tables); err != nil || version != schema || tables != 0 {
			t.Fatalf("got version %d, %d tables, %v, want %d, 0, nil", version, tables, err, schema)
		}
	})
}

// What a killed daemon leaves is the file and its write-ahead log.
func TestWhatWasCommittedOutlivesAKill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tbfg.db")
	s := open(t, file)
	agent(t, s, "bedok")
	left := filepath.Join(t.TempDir(), "tbfg.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(file + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(left+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, found, err := open(t, left).Agent(context.Background(), "agent-bedok"); err != nil || !found {
		t.Fatalf("got %v, %v, want the agent", found, err)
	}
}

func TestEveryConnectionIsAsItShouldBe(t *testing.T) {
	s := fresh(t)
	for pragma, want := range map[string][2]string{ // of the writer, of readers
		"journal_mode": {"wal", "wal"},
		"synchronous":  {"2", ""}, // FULL
		"foreign_keys": {"1", ""},
		"busy_timeout": {"5000", "5000"},
		"query_only":   {"0", "1"},
	} {
		for i, db := range []*sql.DB{s.writer, s.reader} {
			var got string
			if err := db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if want[i] != "" && got != want[i] {
				t.Errorf("%s of the %s: got %s, want %s", pragma, []string{"writer", "readers"}[i], got, want[i])
			}
		}
	}
	if _, err := s.reader.Exec("DELETE FROM agents"); err == nil {
		t.Errorf("a reader can write")
	}
}

func TestADatabaseHasOneUser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tbfg.db")
	first := open(t, file)
	if second, err := Open(context.Background(), file); err == nil || !strings.Contains(err.Error(), "another tbfg") {
		t.Fatalf("while it is in use: got %v, %v, want an error that says so", second, err)
	}
	if _, err := first.Agents(context.Background()); err != nil {
		t.Fatalf("the first user: %v", err)
	}
}

// A daemon that was killed may leave a child that has the lock for a moment.
func TestALockThatIsGivenUpIsWaitedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tbfg.db")
	held, err := lock(file + "-lock")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(30*time.Millisecond, func() { held.Close() })
	open(t, file)
}
