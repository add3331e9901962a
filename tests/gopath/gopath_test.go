// Package gopath tests the program as Guix builds it: in GOPATH mode, with the
// versions of the libraries that Guix packages. What can go wrong there and
// nowhere else is that net/http does not understand our routes.
package gopath

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/tests/machine"
)

func TestEveryRouteAnswersInTheProgramThatGuixBuilds(t *testing.T) {
	program := filepath.Join(t.TempDir(), "tbfg")
	build := exec.Command("../gopath-build", "--test", "-o", program)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		t.Fatalf("build in GOPATH mode: %v", err)
	}
	state := t.TempDir()
	file := filepath.Join(state, "config.toml")
	text := fmt.Sprintf("state_dir = %q\n[coordinator]\nagent_listen = ['127.0.0.1:0']\nclient_listen = ['127.0.0.1:0']\n"+
		"[front]\nlisten = ['127.0.0.1:0']\n", state)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := machine.Run(t, exec.Command(program, "serve", "--config", file))
	address := func(api string) string {
		line, err := serve.WaitLine(t.Context(), "listening for "+api+" connections address=(.*)")
		if err != nil {
			t.Fatal(err)
		}
		return line[1]
	}
	agents, clients, front := address("agent"), address("client"), address("front")

	var agent struct {
		ID string `json:"agent_id"`
	}
	ask(t, clients, "POST /agents", "", "", http.StatusOK, &agent)
	var password struct {
		Password string `json:"new_password"`
	}
	ask(t, clients, "POST /agent/"+agent.ID+"/passwords", "", "", http.StatusOK, &password)

	served := 0
	for name, patterns := range wire.Routes {
		for _, pattern := range patterns {
			route := strings.NewReplacer("{uuid}", agent.ID, "{format}", "gzip", "{name}", "out").Replace(pattern)
			known := 0
			for _, address := range []string{agents, clients} {
				if status, reply := send(t, address, route, agent.ID, password.Password); !strings.Contains(reply, "no such route") {
					known++
					t.Logf("%s: %s at %s: %d", name, pattern, address, status)
				}
			}
			if known == 0 {
				t.Errorf("%s is not served", pattern)
			}
			served += known
		}
	}
	if served == 0 {
		t.Error("no route was tried")
	}
	if status, reply := send(t, front, "GET /build/"+agent.ID+"/log", "", ""); status != http.StatusNotFound || !strings.Contains(reply, "no build") {
		t.Errorf("log endpoint: got %d %q, want a 404 that speaks of the build", status, reply)
	}
}

// send makes a request with an empty JSON object as its body.
func send(t *testing.T, address, route, user, password string) (status int, reply string) {
	t.Helper()
	method, path, _ := strings.Cut(route, " ")
	req, err := http.NewRequest(method, "http://"+address+path, bytes.NewReader([]byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") == "text/event-stream; charset=utf-8" {
		return resp.StatusCode, "" // it does not end
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func ask(t *testing.T, address, route, user, password string, want int, into any) {
	t.Helper()
	status, reply := send(t, address, route, user, password)
	if status != want {
		t.Fatalf("%s: got status %d and %s, want %d", route, status, reply, want)
	}
	if err := json.Unmarshal([]byte(reply), into); err != nil {
		t.Fatalf("%s: got %s: %v", route, reply, err)
	}
}
