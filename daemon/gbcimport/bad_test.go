package gbcimport_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/gbcimport"
)

func TestBadDataIsSkippedAndCounted(t *testing.T) {
	for name, test := range map[string]struct {
		change string
		want   map[string]string
	}{
		"agents": {`INSERT INTO agents VALUES ('../../etc', 'x', 'evil', 1), (NULL, NULL, NULL, 1), ('AAAAAAAA-3418-4f94-b7f0-a214b03291ee', '', '', 1),
			('e092df28-3418-4f94-b7f0-a214b0329100', '', 'bedok', 1), ('e092df28-3418-4f94-b7f0-a214b0329101', '', CAST(x'ff' AS TEXT), 1)`,
			map[string]string{"agents": "7: 3 imported, 0 there; 3 the id is not a UUID; 1 the name or description is too long or is not text",
				"agent names": "4: 1 imported, 0 there; 2 the agent is skipped; 1 another agent has this name; the agent is imported without one"}},
		"passwords": {`INSERT INTO agent_passwords VALUES (8, 'x', 'y', ''), (9, '` + bedok + `', '', ''), (10, '` + bedok + `', 'second', 'soon')`,
			map[string]string{"passwords": "5: 2 imported, 1 there; 1 the agent is not known; 1 the password is empty"}},
		"agent tags": {`INSERT INTO tags VALUES (8, '', 'x'); INSERT INTO agent_tags VALUES ('x', 1), ('` + bedok + `', 77), ('` + bedok + `', 8)`,
			map[string]string{"agent tags": "4: 1 imported, 0 there; 1 the agent is not known; 2 the tag is missing, too long or not text"}},
		"path": {"UPDATE derivations SET name = '/gnu/store/../../etc/passwd.drv' WHERE id = 4",
			map[string]string{"derivations": "8: 6 imported, 0 there; 1 the name is not the path of a derivation; 1 it needs what the file does not have",
				"builds": "8: 6 imported, 0 there; 2 the derivation is skipped or missing"}},
		"duplicate path": {"INSERT INTO derivations SELECT 99, name, 1, 0 FROM derivations WHERE id = 1",
			map[string]string{"derivations": "9: 8 imported, 0 there; 1 the file has another derivation with this path"}},
		"output path": {"UPDATE outputs SET output = 'x' WHERE id = 104",
			map[string]string{"derivations": "8: 6 imported, 0 there; 1 it needs a derivation that is skipped, or itself; 1 an output's path is not one"}},
		"output name": {"INSERT INTO derivation_outputs VALUES (999, 6, 'out', 101)",
			map[string]string{"derivations": "8: 7 imported, 0 there; 1 two outputs have the same name"}},
		"no output": {"DELETE FROM derivation_outputs WHERE id = 206",
			map[string]string{"derivations": "8: 7 imported, 0 there; 1 the file has none of the outputs"}},
		"system": {"UPDATE derivations SET system_id = 2 WHERE id = 6",
			map[string]string{"derivations": "8: 7 imported, 0 there; 1 the system is not known"}},
		"cycle": {"INSERT INTO derivation_inputs VALUES (4, 203)",
			map[string]string{"derivations": "8: 6 imported, 0 there; 2 it needs a derivation that is skipped, or itself"}},
		"itself": {"INSERT INTO derivation_inputs VALUES (6, 206)",
			map[string]string{"derivations": "8: 7 imported, 0 there; 1 it needs a derivation that is skipped, or itself"}},
		"builds": {"UPDATE builds SET uuid = 'x' WHERE id = 1; UPDATE builds SET uuid = (SELECT uuid FROM builds WHERE id = 3) WHERE id = 4",
			map[string]string{"builds": "8: 6 imported, 1 there; 1 the UUID is not one",
				"build tags": "3: 1 imported, 0 there; 2 the build is skipped or missing"}},
		"build tags": {"INSERT INTO build_tags VALUES (1, 77), (77, 1)",
			map[string]string{"build tags": "5: 3 imported, 0 there; 1 the tag is missing, too long or not text; 1 the build is skipped or missing"}},
		"results": {`INSERT INTO build_results VALUES (77, '` + bedok + `', 'success', ''), (8, '` + bedok + `', 'success', ''),
			(1, '` + bedok + `', 'perhaps', ''), (2, 'x', 'success', ''), (5, '` + bedok + `', 'success', '')`,
			map[string]string{"builds": "8: 8 imported, 0 there", "build results": "7: 2 imported, 0 there; 1 the build has another result; " +
				"1 it is neither success nor failure; 1 the agent is not known; 1 the build was canceled; 1 the build is skipped or missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := coordinatortest.Open(t)
			u := small(t, f)
			u.exec(test.change)
			got := counts(u.into(f.Store, false))
			for what := range whole {
				want, ok := test.want[what]
				if ok && got[what] != want {
					t.Errorf("%s: got %q, want %q", what, got[what], want)
				}
			}
			f.Restart()
			f.Must(f.Coordinator.Authenticate(t.Context(), bedok, password))
		})
	}
}

// What the farm knows of a derivation counts, and the rest is imported.
func TestTheFileContradictsTheFarm(t *testing.T) {
	f := coordinatortest.Open(t)
	u := small(t, f)
	f.Added(f.Derivation("base"))
	u.exec("UPDATE derivation_outputs SET name = 'lib' WHERE derivation_id = 4")
	got := counts(u.into(f.Store, false))
	if want := "8: 6 imported, 1 there; 1 what the farm knows contradicts it or one that it needs"; got["derivations"] != want {
		t.Errorf("got %q, want %q", got["derivations"], want)
	}
	f.Restart()
}

func TestOtherFilesAreRefused(t *testing.T) {
	f := coordinatortest.Open(t)
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	f.Must(os.WriteFile(text, []byte(strings.Repeat("no database ", 1000)), 0o600))
	damaged := filepath.Join(dir, "damaged")
	f.Must(os.WriteFile(damaged, append([]byte("SQLite format 3\x00"), make([]byte, 4096)...), 0o600))
	other := newUpstream(t, "CREATE TABLE x (y)")
	for file, want := range map[string]string{
		text: "no SQLite database", damaged: "not a database", other.file: "neither agents nor builds", dir: "no file",
		filepath.Join(dir, "missing"): "no such file", f.Database: "tbfg's own",
	} {
		source, err := gbcimport.Open(t.Context(), file)
		if err == nil {
			source.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: got the error %v, want one that has %q", file, err, want)
		}
	}
}

// A live database is read as it was when it was opened.
func TestALiveDatabase(t *testing.T) {
	f := coordinatortest.Open(t)
	u := small(t, f)
	source, err := gbcimport.Open(t.Context(), u.file)
	f.Must(err)
	defer source.Close()
	u.exec("DELETE FROM builds")
	report, err := source.Import(t.Context(), f.Store, now, false)
	f.Must(err)
	if got := counts(report)["builds"]; got != whole["builds"] {
		t.Errorf("got the builds %q, want %q", got, whole["builds"])
	}
}

func TestAFileThatComesIntoUse(t *testing.T) {
	f := coordinatortest.Open(t)
	u := small(t, f)
	u.db.Close()
	source, err := gbcimport.Open(t.Context(), u.file)
	f.Must(err)
	defer source.Close()
	f.Must(os.WriteFile(u.file+"-wal", nil, 0o600))
	before := f.Dump()
	if _, err := source.Import(t.Context(), f.Store, now, false); err == nil || !strings.Contains(err.Error(), "import it again") {
		t.Errorf("got the error %v, want one that says to import again", err)
	}
	if f.Dump() != before {
		t.Error("something was imported")
	}
}
