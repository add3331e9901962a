package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
)

func TestWaitFollowsABuildToItsEnd(t *testing.T) {
	for _, success := range []bool{true, false} {
		s := newSession(t)
		agent, _ := s.Joined("bedok")
		s.Added(s.Derivation("hello-2.12"))
		uuid := s.Given(agent, 1)[0]
		p := start(t, s.env, "tbfg", "build", "wait")
		p.says("0 of 1 builds over, 1 allocated\n")
		s.Must(s.ReportStart(t.Context(), agent, uuid))
		p.says("0 of 1 builds over, 1 started\n")
		s.Ended(agent, uuid, success)
		want, state := 0, daemon.Succeeded
		if !success {
			want, state = 1, daemon.Failed
		}
		if status := p.end(); status != want || !strings.HasSuffix(p.log.String(), "1 of 1 builds over, 1 "+string(state)+"\n") {
			t.Errorf("got the status %d and %q, want %d and %s", status, p.log.String(), want, state)
		}
	}
}

// A script that goes on after "wait" must not take an interruption for a
// success.
func TestAnInterruptionIsNoSuccess(t *testing.T) {
	s := newSession(t)
	s.Added(s.Derivation("hello-2.12"))
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		p := start(t, s.env, "tbfg", "build", "wait")
		p.says("1 ready\n")
		if status := p.stop(signal); status != 1 || !strings.HasSuffix(p.log.String(), "tbfg: interrupted\n") {
			t.Errorf("%v: got the status %d and %q, want 1 and interrupted", signal, status, p.log.String())
		}
	}
}

func TestBuildLog(t *testing.T) {
	const uuid = "7bdd2249-1214-431a-aa61-000000000001"
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/build/" + uuid + "/log":
			_, _ = w.Write([]byte("the log\nof the build\n"))
		case "/build/broken/log":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("the log\n"))
		default:
			http.Error(w, "There is no build here.", http.StatusNotFound)
		}
	}))
	defer front.Close()
	for _, tt := range []struct {
		build string
		want  result
	}{
		{uuid, result{"the log\nof the build\n", "", 0}},
		{"nonsense/../..", result{"", "tbfg: no log: There is no build here.\n", 1}},
		{"broken", result{"the log\n", "tbfg: cannot get the log: unexpected EOF\n", 1}},
	} {
		got := run(t, "", []string{"TBFG_FRONT=" + front.URL}, "tbfg", "build", "log", tt.build)
		if got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.build, got, tt.want)
		}
	}
}
