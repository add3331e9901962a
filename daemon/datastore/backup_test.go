package datastore_test

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
)

func TestABackupOfALiveFarmIsWhole(t *testing.T) {
	f := coordinatortest.Open(t)
	f.Submitted(daemon.Submission{Derivation: f.Derivation("top", f.Derivation("input")), WithInputs: true})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // the farm goes on
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				_, err := f.NewToken(t.Context(), strings.Repeat("x", 5000), time.Time{})
				if err != nil {
					t.Error(err)
				}
			}
		}
	}()
	for _, name := range []string{"one.db", "two 2.db"} {
		file := filepath.Join(t.TempDir(), name)
		f.Must(datastore.Backup(t.Context(), f.Database, file))
		info, err := os.Stat(file)
		f.Must(err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("got the mode %04o, want 0600", info.Mode().Perm())
		}
		check(t, file)
		if err := datastore.Backup(t.Context(), f.Database, file); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a second time: got the error %v, want that the file is there", err)
		}
		entries, err := os.ReadDir(filepath.Dir(file))
		f.Must(err)
		if len(entries) != 1 {
			t.Errorf("got the files %v, want the backup alone", entries)
		}
	}
	close(stop)
	<-stopped
	file := filepath.Join(t.TempDir(), "quiet.db")
	f.Must(datastore.Backup(t.Context(), f.Database, file))
	restored := coordinatortest.At(t, file)
	defer restored.Close()
	if got, want := restored.Dump(), f.Dump(); got != want {
		t.Errorf("the backup of a quiet farm differs: got\n%s\nwant\n%s", got, want)
	}
}

// check has SQLite check a copy, in which there are two builds.
func check(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var sound string
	var builds int
	if err := db.QueryRow("SELECT i.integrity_check, (SELECT count(*) FROM builds) FROM pragma_integrity_check i").Scan(&sound, &builds); err != nil {
		t.Fatal(err)
	}
	if sound != "ok" || builds != 2 {
		t.Errorf("got a copy that is %s with %d builds, want ok and 2", sound, builds)
	}
}

func TestABackupWithoutAFarmRunning(t *testing.T) {
	f := coordinatortest.At(t, filepath.Join(t.TempDir(), "tbfg.db"))
	f.Added(f.Derivation("hello"))
	f.Close()
	file := filepath.Join(t.TempDir(), "copy.db")
	f.Must(datastore.Backup(t.Context(), f.Database, file))
	store, err := datastore.Open(t.Context(), file)
	f.Must(err)
	f.Must(store.Close())
}

func TestBackupsThatAreRefused(t *testing.T) {
	f := coordinatortest.Open(t)
	dir := t.TempDir()
	foreign, text := filepath.Join(dir, "foreign.db"), filepath.Join(dir, "text.db")
	db, err := sql.Open("sqlite3", foreign)
	f.Must(err)
	_, err = db.Exec("CREATE TABLE agents (id TEXT)")
	f.Must(errors.Join(err, db.Close()))
	f.Must(os.WriteFile(text, []byte(strings.Repeat("no database ", 1000)), 0o600))
	link := filepath.Join(dir, "link")
	f.Must(os.Symlink("nowhere", link))
	for name, tt := range map[string]struct{ database, file string }{
		"there is no database":     {filepath.Join(dir, "none.db"), filepath.Join(dir, "copy")},
		"another program's":        {foreign, filepath.Join(dir, "copy")},
		"a file that is none":      {text, filepath.Join(dir, "copy")},
		"a directory":              {dir, filepath.Join(dir, "copy")},
		"into no directory":        {f.Database, filepath.Join(dir, "none", "copy")},
		"over a file":              {f.Database, text},
		"over a link":              {f.Database, link},
		"over a directory":         {f.Database, dir},
		"over the database itself": {f.Database, f.Database},
	} {
		if err := datastore.Backup(t.Context(), tt.database, tt.file); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("got the files %v, %v, want the three from before", entries, err)
	}
}
