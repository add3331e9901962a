package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/doctor"
)

// A farm of which everything but the agents' endpoint is there.
func TestDoctorFindsWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	publisher := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("StoreDir: /gnu/store\n"))
	}))
	defer publisher.Close()
	address := publisher.Listener.Addr().String()
	must(os.Mkdir(filepath.Join(dir, "secrets"), 0o755))
	file := filepath.Join(dir, "config.toml")
	must(os.WriteFile(file, []byte(`state_dir = "`+dir+`"
[coordinator]
agent_listen = ["127.0.0.1:1"]
client_listen = ["`+address+`"]
derivation_substitute_urls = ["`+publisher.URL+`"]
min_free_space = 1
[front]
listen = []
`), 0o600))

	out, err := inProcess(t, "tbfg", "doctor", "--config="+file, "--coordinator="+publisher.URL)
	if !errors.Is(err, errQuiet) {
		t.Errorf("got the error %v, want the exit status alone", err)
	}
	for _, want := range []string{
		"ok    configuration  " + file,
		"ok    substitutes    " + publisher.URL + " answers",
		"ok    disk           state: " + dir,
		"FAIL  secrets        " + dir + "/secrets has the mode 0755, not 0700; run: chmod 700 " + dir + "/secrets\n",
		"FAIL  endpoint       agents: nobody answers at 127.0.0.1:1",
		"ok    endpoint       clients: " + address,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("got\n%swant the line %q", out, want)
		}
	}

	out, err = inProcess(t, "tbfg", "doctor", "--json", "--config="+file, "--coordinator="+publisher.URL)
	var findings []doctor.Finding
	if !errors.Is(err, errQuiet) || json.Unmarshal([]byte(out), &findings) != nil || len(findings) != 6 {
		t.Errorf("got %v and %s, want six findings", err, out)
	}

	must(os.WriteFile(file, []byte("state_dir = 7\n"), 0o600))
	out, err = inProcess(t, "tbfg", "doctor", "--config="+file)
	if !errors.Is(err, errQuiet) || !strings.HasPrefix(out, "FAIL  configuration  "+file+":1:13: state_dir must be a string; ") {
		t.Errorf("got %v and %q, want the line that is wrong", err, out)
	}
}
