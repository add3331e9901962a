package gbcimport_test

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/gbcimport"

	"github.com/google/go-cmp/cmp"
)

// hello is "hello\n" as bzip2 makes it: Go has no writer of that.
const hello = "BZh91AY&SY\xc1\xc0\x80\xe2\x00\x00\x01\x41\x00\x00\x10\x02\x44\xa0\x00\x30\xcd\x00\xc3\x46\x29\x97\x17\x72\x45\x38\x50\x90\xc1\xc0\x80\xe2"

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tree is what is below a directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		name, _ := filepath.Rel(dir, file)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestLogsComeWithTheirBuilds(t *testing.T) {
	f := coordinatortest.Open(t)
	u := small(t, f)
	// Those of 7, 8 and 5 have ended, that of 1 has not; 99 is nobody's.
	u.exec("UPDATE builds SET processed = 1 WHERE id IN (3, 4)")
	u.exec("INSERT INTO build_results VALUES (3, ?1, 'failure', NULL), (4, ?1, 'success', NULL)", bedok)
	from, into := t.TempDir(), filepath.Join(filepath.Dir(f.Database), "build-logs")
	good := gzipped(t, "a log\n")
	for name, text := range map[string]string{
		coordinatortest.UUID(7) + "/log.gz": good, coordinatortest.UUID(8) + "/log.bz2": hello,
		coordinatortest.UUID(1) + "/log.gz": good, coordinatortest.UUID(99) + "/log.gz": good, "note": "",
		coordinatortest.UUID(3) + "/log.gz": good[:10], coordinatortest.UUID(4) + "/log.gz": gzipped(t, string(make([]byte, coordinatortest.MaxLogSize+1))),
		coordinatortest.UUID(5) + "/log.txt": "?",
	} {
		f.Must(os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o755))
		f.Must(os.WriteFile(filepath.Join(from, name), []byte(text), 0o644))
	}
	before := tree(t, from)
	bring := func(report *gbcimport.Report) string {
		t.Helper()
		f.Must(report.ImportLogs(t.Context(), from, into, coordinatortest.MaxLogSize))
		return counts(report)["build logs"]
	}
	const skipped = "; 1 the build has not ended; 1 the file is damaged; 1 it is larger than coordinator.max_log_size; " +
		"1 there is no file log.gz or log.bz2; 2 the build is skipped or missing"
	f.Must(os.Remove(into))
	if got, want := bring(u.into(f.Store, true)), "8: 4 imported, 0 there; 1 the build has not ended; "+
		"1 there is no file log.gz or log.bz2; 2 the build is skipped or missing"; got != want {
		t.Errorf("dry run: got %q, want %q", got, want)
	}
	if _, err := os.Stat(into); err == nil {
		t.Error("the dry run made a directory")
	}
	if got, want := bring(u.into(f.Store, false)), "8: 2 imported, 0 there"+skipped; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got := tree(t, into)
	z, err := gzip.NewReader(bytes.NewReader([]byte(got[coordinatortest.UUID(8)+"/log.gz"])))
	f.Must(err)
	var text bytes.Buffer
	if _, err := text.ReadFrom(z); err != nil || text.String() != "hello\n" {
		t.Errorf("of bzip2 data: got the log %q, %v", text.String(), err)
	}
	if len(got) != 2 || got[coordinatortest.UUID(7)+"/log.gz"] != good {
		t.Errorf("got the logs %q", got)
	}
	// Again: what is here stays.
	f.Must(os.WriteFile(filepath.Join(from, coordinatortest.UUID(7), "log.gz"), []byte(gzipped(t, "another")), 0o644))
	if got, want := bring(u.into(f.Store, false)), "8: 0 imported, 2 there"+skipped; got != want {
		t.Errorf("the second time: got %q, want %q", got, want)
	}
	if diff := cmp.Diff(got, tree(t, into)); diff != "" {
		t.Errorf("the second time: logs (-before +after)\n%s", diff)
	}
	before[coordinatortest.UUID(7)+"/log.gz"] = gzipped(t, "another")
	if diff := cmp.Diff(before, tree(t, from)); diff != "" {
		t.Errorf("where they came from (-before +after)\n%s", diff)
	}
}

func TestLogsThatCannotBeHad(t *testing.T) {
	f := coordinatortest.Open(t)
	report := small(t, f).into(f.Store, false)
	missing := filepath.Join(t.TempDir(), "missing")
	if err := report.ImportLogs(t.Context(), missing, t.TempDir(), 1); err == nil {
		t.Error("a directory that is not there: got no error")
	}
}
