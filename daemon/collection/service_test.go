package collection

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/account"
	"codeberg.org/tbfg/tbfg/daemon/dataservice/dataservicetest"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

func served(name, version, file string, drv storepath.Path) dataservicetest.Package {
	return dataservicetest.Package{Name: name, Version: version, File: file,
		Derivations: []dataservicetest.Derivation{{Path: string(drv), System: "x86_64-linux"}}}
}

func TestADataServicesPackages(t *testing.T) {
	x := newTeam(t, nil)
	s := dataservicetest.New()
	s.MaxPage(2)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	lib := x.Derivation("lib-1")
	old := x.Derivation("lib-0.9")
	app := x.Derivation("app-1", lib)
	packages := []dataservicetest.Package{served("lib", "1", "gnu/packages/maths.scm", lib), served("lib", "0.9", "gnu/packages/maths.scm", old),
		served("app", "1", "gnu/packages/algebra.scm", app), served("other", "1", "gnu/packages/games.scm", x.Derivation("other-1"))}
	s.Process("c0ffee", packages)
	x.Must(x.PutCollection(t.Context(), daemon.Collection{Name: "team", Source: daemon.FromDataService, URL: server.URL, Team: "science"}))
	update := func() Outcome {
		t.Helper()
		x.Clock.Advance(time.Hour)
		o, err := x.Update(t.Context(), "team", false)
		x.Must(err)
		return o
	}
	x.Fetched()
	if o := update(); o.Revision != "c0ffee" || o.Packages != 3 || o.Submitted != 3 {
		t.Errorf("got %+v", o)
	}
	if fetched := strings.Join(x.Fetched(), "\n"); !strings.Contains(fetched, "lib-1.drv "+server.URL) {
		t.Errorf("got derivations from elsewhere:\n%s", fetched)
	}
	x.end()
	x.want("built", "app builds, lib builds, lib@0.9 builds")

	bad := x.Derivation("lib-2bad")
	packages[0] = served("lib", "2bad", "gnu/packages/maths.scm", bad)
	s.Process("decade", packages)
	update()
	x.end()
	x.want("broken", "app builds, lib fails(broken), lib@0.9 builds")

	// A service that is down says so, and the account stays.
	server.CloseClientConnections()
	s.Fail(http.StatusForbidden, "<h1>go away</h1>", 1)
	x.Clock.Advance(24 * time.Hour)
	_, err := x.Update(t.Context(), "team", false)
	if err == nil || !strings.Contains(err.Error(), "go away") {
		t.Errorf("got %v, want what the service said", err)
	}
	x.want("a day later", "app builds, lib fails(broken), lib@0.9 builds")
	a, err := x.Account(t.Context(), "team", account.Options{})
	x.Must(err)
	if age := x.Clock.Now().Sub(a.Updated); age != 24*time.Hour || !strings.Contains(a.Trouble, "go away") {
		t.Errorf("got an account %v old with the trouble %q", age, a.Trouble)
	}
}

func TestADataServiceWithoutLocations(t *testing.T) {
	x := newTeam(t, nil)
	s := dataservicetest.New()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.Process("c0ffee", []dataservicetest.Package{served("lib", "1", "", x.Derivation("lib-1"))})
	for name, tt := range map[string]struct {
		c    daemon.Collection
		want string
	}{
		"a module":                  {daemon.Collection{Modules: []string{"gnu/packages/maths.scm"}}, "does not say where packages are defined"},
		"no such package":           {daemon.Collection{Packages: []string{"hello"}}, "has none of the packages"},
		"a commit it does not know": {daemon.Collection{Revision: "bad"}, "does not know the commit bad"},
		"by name":                   {daemon.Collection{Packages: []string{"l*"}}, ""},
	} {
		tt.c.Name, tt.c.Source, tt.c.URL = "service", daemon.FromDataService, server.URL
		x.Must(x.PutCollection(t.Context(), tt.c))
		_, err := x.Update(t.Context(), "service", true)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// shebang is the first line of a shell script. Where Guix builds packages there
// is no /bin/sh.
func shebang(t *testing.T) string {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	return "#!" + sh + "\n"
}

// Programs in the place of guix that go wrong. Real ones are in tests/system.
func TestGuixThatGoesWrong(t *testing.T) {
	x := newTeam(t, nil)
	dir := t.TempDir()
	for name, tt := range map[string]struct{ script, want string }{
		"it fails":          {"echo 'guix repl: error: failed to connect' >&2; exit 1", "failed to connect"},
		"it says nonsense":  {"echo hello; sleep 600", "a line makes no sense"},
		"it ends too early": {`echo '{"guix":"1.5.0","commits":[]}'`, "it ended before its work was done"},
	} {
		program := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		x.Must(os.WriteFile(program, []byte(shebang(t)+tt.script+"\n"), 0o755))
		x.Must(x.PutCollection(t.Context(), daemon.Collection{Name: "g", Source: daemon.FromGuix, Guix: program, Packages: []string{"hello"}}))
		_, err := x.Update(t.Context(), "g", false)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	x.Must(x.PutCollection(t.Context(), daemon.Collection{Name: "g", Source: daemon.FromGuix, Guix: "/nonexistent/guix", Packages: []string{"hello"}}))
	if _, err := x.Update(t.Context(), "g", false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no program: got %v", err)
	}
}

// A keeper that is closed kills guix, and the update is done again later.
func TestClosingKillsGuix(t *testing.T) {
	x := newTeam(t, nil)
	program, began := filepath.Join(t.TempDir(), "guix"), filepath.Join(t.TempDir(), "began")
	x.Must(os.WriteFile(program, []byte(shebang(t)+"touch "+began+"\nsleep 600 & wait\n"), 0o755))
	x.Must(x.PutCollection(t.Context(), daemon.Collection{Name: "g", Source: daemon.FromGuix, Guix: program, Packages: []string{"hello"}}))
	done := make(chan error, 1)
	go func() {
		_, err := x.Update(t.Context(), "g", false)
		done <- err
	}()
	until(t, func() bool { _, err := os.Stat(began); return err == nil })
	x.Must(x.Keeper.Close())
	if err := <-done; daemon.CodeOf(err) != daemon.Unavailable {
		t.Errorf("got %v, want that the farm is stopping", err)
	}
	if c, err := x.Collection(t.Context(), "g"); err != nil || !c.Updating || c.Trouble != "" {
		t.Errorf("got %+v, %v, want an update to be done again", c, err)
	}
}
