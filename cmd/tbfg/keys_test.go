package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"codeberg.org/tbfg/tbfg/nix/narinfo"

	"github.com/urfave/cli/v2"
)

// fromElsewhere makes a farm serve its clients on all addresses; it returns the
// URL that one on another machine would use.
func (s *served) fromElsewhere() string {
	s.t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.client, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	return "http://" + net.JoinHostPort(anotherAddress(s.t), port)
}

func TestTheClientTokenIsMadeAndRotated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	config := strings.Replace(freePorts, `client_listen = ["127.0.0.1:0"]`, `client_listen = ["0.0.0.0:0"]`, 1)
	s := serveConfigured(t, dir, config)
	file := filepath.Join(dir, "secrets", "client.token")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got %v, %v; want a file of the mode 0600", info, err)
	}
	old := filepath.Join(t.TempDir(), "token")
	copyFile(t, file, old)

	with := func(token string) bool {
		t.Helper()
		r := run(t, "", nil, "tbfg", "agent", "list", "--coordinator="+s.fromElsewhere(), "--token-file="+token)
		return r.status == 0
	}
	if !with(old) {
		t.Error("the token is not taken")
	}
	env := []string{"TBFG_COORDINATOR=" + s.client}
	if r := run(t, "", env, "tbfg", "secrets", "list"); !strings.Contains(r.stdout, "client.token ") || !strings.Contains(r.stdout, "signing.key ") {
		t.Errorf("secrets list: got %+v", r)
	}
	if r := run(t, "", env, "tbfg", "secrets", "rotate", "client.token"); r.status != 0 {
		t.Fatalf("secrets rotate: got %+v", r)
	}
	if with(old) || !with(file) {
		t.Error("the old token is taken, or the new one is not")
	}
	// A person may write one, too; one that can be guessed is not taken.
	if err := os.WriteFile(file, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.says("going on with the clients' token that there was")
	copyFile(t, old, file)
	s.until("the token that was put there is taken", func() bool { return with(old) })
	if status := s.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("got the status %d, want 0", status)
	}
	again := serveConfigured(t, dir, config)
	s.client = again.client
	if !with(old) {
		t.Error("after a restart the token is another one")
	}
}

func TestATokenOfOnesOwnIsHeeded(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(token, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("OTCKFLsB5QRq8XBnZ3nCDAxYLbA4F4kxGz7JPBkU")
	s := serveConfigured(t, filepath.Join(dir, "state"),
		strings.Replace(freePorts, `client_listen = ["127.0.0.1:0"]`, `client_listen = ["0.0.0.0:0"]`+"\nclient_token_file = \""+token+"\"", 1))
	if _, err := os.Stat(filepath.Join(dir, "state", "secrets", "client.token")); !os.IsNotExist(err) {
		t.Errorf("got %v, want no token besides", err)
	}
	r := run(t, "", []string{"TBFG_COORDINATOR=" + s.client}, "tbfg", "secrets", "rotate", "client.token")
	if r.status != 1 || !strings.Contains(r.stderr, "the clients' token is in "+token) {
		t.Errorf("secrets rotate: got %+v, want it said where the token is", r)
	}
	write("IUwGrsEklfu0kVf_QquCOdzfa6-P52qPlcwBd5YB")
	s.until("the new token is taken", func() bool {
		return run(t, "", nil, "tbfg", "agent", "list", "--coordinator="+s.fromElsewhere(), "--token-file="+token).status == 0
	})
}

func TestCommandsFindTheTokenOfTheirMachine(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.toml")
	secret := filepath.Join(dir, "secrets", "client.token")
	if err := os.Mkdir(filepath.Dir(secret), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{config: "state_dir = \"" + dir + "\"\n", secret: "OTCKFLsB5QRq8XBnZ3nCDAxYLbA4F4kxGz7JPBkU\n",
		config + ".bad": "state_dir = 7\n", config + ".other": "state_dir = \"/nonexistent\"\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, config, host string
		want               string
	}{
		{"an address of this machine", config, anotherAddress(t), "OTCKFLsB5QRq8XBnZ3nCDAxYLbA4F4kxGz7JPBkU"},
		{"loopback, which wants none", config, "127.0.0.1", ""},
		{"loopback by its name", config, "localhost", ""},
		{"another machine, which must not see it", config, "192.0.2.1", ""},
		{"a name that is none", config, "farm.invalid", ""},
		{"a configuration that is wrong", config + ".bad", anotherAddress(t), ""},
		{"a farm that made none", config + ".other", anotherAddress(t), ""},
	} {
		app := &cli.App{Flags: []cli.Flag{configFlag()}, Action: func(c *cli.Context) error {
			if got, err := tokenFor(c, tt.host); got != tt.want || err != nil {
				t.Errorf("%s: got %q, %v; want %q", tt.name, got, err, tt.want)
			}
			return nil
		}}
		if err := app.RunContext(t.Context(), []string{"tbfg", "--config=" + tt.config}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheSigningKeyIsMadeAndRotated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := serveConfigured(t, dir, strings.Replace(freePorts, "[front]", "keep_outputs = true\n[front]", 1))
	file := filepath.Join(dir, "secrets", "signing.key")
	shown := func() string {
		t.Helper()
		_, body := get(t, s.front+"/signing-key.pub")
		return strings.TrimSpace(body)
	}
	kept := func() string {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		key, err := narinfo.ParseSigningKey(string(text))
		if err != nil {
			t.Fatal(err)
		}
		return key.Public()
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got %v, %v; want a file of the mode 0600", info, err)
	}
	before := kept()
	if got := shown(); got != before {
		t.Errorf("got %s, want %s", got, before)
	}
	if r := run(t, "", []string{"TBFG_COORDINATOR=" + s.client}, "tbfg", "secrets", "rotate", "signing.key"); r.status != 0 {
		t.Fatalf("secrets rotate: got %+v", r)
	}
	if now := kept(); now == before || shown() != now {
		t.Errorf("got %s, want another key than %s that is in use", shown(), before)
	}
	// What is no key is not taken, and there is no start with one.
	if err := os.WriteFile(file, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.says("going on with the signing key that there was")
	if status, _ := get(t, s.front+"/signing-key.pub"); status != 200 {
		t.Errorf("got the status %d", status)
	}
	s.configure(freePorts)
	s.until("without outputs nothing is served", func() bool { status, _ := get(t, s.front+"/signing-key.pub"); return status == 404 })
	s.configure(strings.Replace(freePorts, "[front]", "keep_outputs = true\n[front]\nsubstitutes = false", 1))
	s.says("coordinator.keep_outputs front.substitutes")
	if status, _ := get(t, s.front+"/nix-cache-info"); status != 404 {
		t.Errorf("switched off: got the status %d, want 404", status)
	}
	s.stop(syscall.SIGTERM)
	r := run(t, "", nil, "tbfg", "serve", "--config="+s.config, "--state-dir="+dir)
	if r.status != 1 || !strings.Contains(r.stderr, file) || !strings.Contains(r.stderr, "it is not (private-key") {
		t.Errorf("got %+v, want no start with a key that is none", r)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
