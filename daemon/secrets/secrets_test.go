package secrets

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSecretsAreKeptFromOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "secrets")
	d, err := Open(dir)
	must(t, err)
	for name, secret := range map[string]string{ClientToken: "one", LocalAgentPassword: "two", AgentToken("bedok"): "three"} {
		if _, ok, err := d.Read(name); ok || err != nil {
			t.Errorf("%s: got %v, %v before it is written", name, ok, err)
		}
		must(t, d.Write(name, "old"))
		must(t, d.Write(name, secret))
		if got, ok, err := d.Read(name); got != secret || !ok || err != nil {
			t.Errorf("%s: got %q, %v, %v; want %q", name, got, ok, err, secret)
		}
	}
	problems, err := Check(dir, os.Geteuid(), os.Getegid())
	if err != nil || len(problems) != 0 {
		t.Errorf("got %v, %v; want no problem", problems, err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "note"), nil, 0o600))
	list, err := d.List()
	must(t, err)
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
		if s.Purpose == "" || s.File != d.File(s.Name) || s.Made.IsZero() {
			t.Errorf("got %+v, want it whole", s)
		}
	}
	if got := strings.Join(names, " "); got != "agents/bedok.token client.token local-agent.password" {
		t.Errorf("got the list %s", got)
	}
	must(t, d.Remove(ClientToken))
	must(t, d.Remove(ClientToken))
	if _, ok, _ := d.Read(ClientToken); ok {
		t.Error("got a secret that was removed")
	}
}

func TestASecretIsMadeOnce(t *testing.T) {
	d, err := Open(filepath.Join(t.TempDir(), "secrets"))
	must(t, err)
	made := 0
	secret := func() (string, error) {
		made++
		return strings.Repeat("x", made), nil
	}
	for range 2 {
		must(t, d.Make(SigningKey, secret))
		if got, _, err := d.Read(SigningKey); got != "x" || err != nil || made != 1 {
			t.Errorf("got %q, %v, made %d times", got, err, made)
		}
	}
	if list, err := d.List(); err != nil || len(list) != 1 || list[0].Name != SigningKey {
		t.Errorf("got the list %v, %v", list, err)
	}
	broken := errors.New("no luck")
	if err := d.Make(ClientToken, func() (string, error) { return "", broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want what was wrong", err)
	}
	if _, there, _ := d.Read(ClientToken); there {
		t.Error("a secret was made of nothing")
	}
}

func TestCheckNamesTheCommandThatMends(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	d, err := Open(dir)
	must(t, err)
	must(t, d.Write(ClientToken, "x"))
	uid, gid := os.Geteuid(), os.Getegid()
	for _, tt := range []struct {
		name, file string
		mode       os.FileMode
		uid        int
		mend       string
	}{
		{"a directory that others may enter", dir, 0o750, uid, "chmod 700 " + dir},
		{"a file that others may read", d.File(ClientToken), 0o644, uid, "chmod 600 " + d.File(ClientToken)},
		{"a file that cannot be read", d.File(ClientToken), 0o200, uid, "chmod 600 " + d.File(ClientToken)},
	} {
		before, err := os.Stat(tt.file)
		must(t, err)
		must(t, os.Chmod(tt.file, tt.mode))
		problems, err := Check(dir, tt.uid, gid)
		if err != nil || len(problems) != 1 || problems[0].Mend != tt.mend || problems[0].File != tt.file {
			t.Errorf("%s: got %v, %v; want the command %s", tt.name, problems, err, tt.mend)
		}
		must(t, os.Chmod(tt.file, before.Mode().Perm()))
	}
	problems, err := Check(dir, uid+1, gid)
	if err != nil || len(problems) != 3 || !strings.HasPrefix(problems[0].Mend, "chown ") {
		t.Errorf("another's: got %v, %v; want chown for two directories and a file", problems, err)
	}
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "link")))
	if problems, _ := Check(dir, uid, gid); len(problems) != 1 || problems[0].Mend != "rm "+filepath.Join(dir, "link") {
		t.Errorf("a link: got %v", problems)
	}
	if problems, err := Check(filepath.Join(dir, "none"), uid, gid); err != nil || problems != nil {
		t.Errorf("no directory: got %v, %v", problems, err)
	}
}

func TestAgentNamesThatAreFiles(t *testing.T) {
	for name, want := range map[string]bool{"bedok": true, "build-1.example.org": true, "": false, "../x": false, ".x": false,
		"a/b": false, "a b": false, "a\n": false, "ü": false, strings.Repeat("a", 101): false} {
		if got := ValidAgent(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
		agent, ok := AgentOf(AgentToken(name))
		if ok != want || ok && agent != name {
			t.Errorf("%q: got %q, %v back", name, agent, ok)
		}
	}
	for _, name := range []string{ClientToken, "agents/x", "agents/", "x/bedok.token", "agents/../client.token"} {
		if agent, ok := AgentOf(name); ok {
			t.Errorf("%q: got the agent %q, want none", name, agent)
		}
	}
}
