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

	"codeberg.org/tbfg/tbfg/config"
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

// What stands in for BFFE answers, and after a while follows the farm's events.
func TestDoctorSeesWhetherTheFrontEndFollows(t *testing.T) {
	bffe := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("a page")) }))
	defer bffe.Close()
	s := serveConfigured(t, filepath.Join(t.TempDir(), "state"), strings.Replace(freePorts, "[front]", "[front]\nbffe = \""+bffe.URL+"\"", 1))
	said := func() string {
		t.Helper()
		out, _ := inProcess(t, "tbfg", "doctor", "--config="+s.config, "--state-dir="+s.dir, "--coordinator="+s.client)
		_, after, _ := strings.Cut(out, "BFFE ")
		line, _, _ := strings.Cut(after, "\n")
		return strings.TrimSpace(line)
	}
	// The port 0 stands in the configuration.
	if want := bffe.URL + ` answers, but reads no events of this farm; its configuration should name the farm's address for clients: ` +
		`#:event-source "http://localhost:0"`; said() != want {
		t.Errorf("got %q, want %q", said(), want)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.client+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	events, err := http.DefaultClient.Do(req) // has its head only when it is counted
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	if want := bffe.URL + " answers; the events of this farm are followed"; said() != want {
		t.Errorf("got %q, want %q", said(), want)
	}
}

func TestWhereAFrontEndCanFollow(t *testing.T) {
	for _, tt := range []struct {
		clients, agents []string
		public          bool
		want            string
	}{
		{[]string{"127.0.0.1:8746"}, nil, false, "http://localhost:8746"},
		{[]string{":1"}, nil, false, "http://localhost:1"},
		{[]string{"[::]:1"}, nil, false, "http://localhost:1"},
		{[]string{"192.168.1.80:8746", "127.0.0.2:2"}, nil, false, "http://127.0.0.2:2"},
		{[]string{"192.168.1.80:8746"}, []string{"0.0.0.0:8745"}, false, ""},
		{[]string{"192.168.1.80:8746"}, []string{"0.0.0.0:8745"}, true, "http://localhost:8745"},
		{nil, []string{"0.0.0.0:8745"}, false, ""},
	} {
		got := eventsURL(config.Coordinator{ClientListen: tt.clients, AgentListen: tt.agents, PublicReads: tt.public})
		if got != tt.want {
			t.Errorf("%v: got %q, want %q", tt, got, tt.want)
		}
	}
}
