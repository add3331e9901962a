package front

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// busyFarm is a coordinator with something to show.
type busyFarm struct {
	someFarm
	agents []daemon.Agent
	builds []daemon.Build
	queue  map[string]map[daemon.State]int
	full   error
	broken error
}

func (f *busyFarm) Agents(context.Context) ([]daemon.Agent, error) { return f.agents, f.broken }

func (f *busyFarm) Recent(_ context.Context, limit int) ([]daemon.Build, error) {
	return f.builds[:min(limit, len(f.builds))], f.broken
}

func (f *busyFarm) Queue() map[string]map[daemon.State]int { return f.queue }

func (f *busyFarm) Trouble() error { return f.full }

const evil = `<script>alert("1")</script>'&`

func newBusyFarm() *busyFarm {
	noon := time.Date(2025, 8, 13, 12, 0, 0, 0, time.UTC)
	f := &busyFarm{
		agents: []daemon.Agent{
			{ID: "a1", Name: "bedok", Description: evil, Active: true, Mode: daemon.Working, Systems: []string{"x86_64-linux", "i686-linux"},
				Allocated: make([]daemon.Allocation, 3), Status: &daemon.AgentStatus{Load1Min: 2, Processors: 8, Time: noon}},
			{ID: "a2", Active: true, Mode: daemon.Paused},
		},
		queue: map[string]map[daemon.State]int{"x86_64-linux": {daemon.Ready: 4711}},
		full:  errors.New("the disk is full"),
	}
	for n := range 80 {
		f.builds = append(f.builds, daemon.Build{UUID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n),
			Derivation: storepath.Path("/gnu/store/" + strings.Repeat("0", 32) + fmt.Sprintf("-hello-%d.drv", n)),
			System:     "x86_64-linux", State: daemon.States[n%len(daemon.States)], Agent: "a1", Created: noon})
	}
	return f
}

func TestThePageOfAFarmWithoutFrontEnd(t *testing.T) {
	w := newWriter(t)
	w.write("under way") // that of build 0
	f := newBusyFarm()
	if err := w.logs.Save(f.builds[1].UUID, "none", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	server := newServer(Handler(w.logs, f, nil))
	defer server.Close()
	r := get(t, server.URL+"/")
	text := body(t, r)
	for _, want := range []string{"bedok", "25 %", "x86_64-linux i686-linux", "paused", "4711", "the disk is full", "2025-08-13 12:00:00",
		">hello-0<", ">hello-49<", `href="/build/` + f.builds[0].UUID + `/log"`, `href="/build/` + f.builds[1].UUID + `/log?tail=200"`,
		"&lt;script&gt;"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, not := range []string{"<script", "hello-50", f.builds[2].UUID + "/log", "http:", "https:", "src="} {
		if strings.Contains(text, not) {
			t.Errorf("the page has %q", not)
		}
	}
	checkPage(t, text, r.Header.Get("Content-Security-Policy"))
	if r := get(t, server.URL+"/activity"); r.StatusCode != 404 {
		t.Errorf("got %s for a page that is not there", r.Status)
	}
}

// checkPage checks that every element of a page ends, and that its style is
// the one that its policy lets it have.
func checkPage(t *testing.T, text, policy string) {
	t.Helper()
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(text)
	if style == nil {
		t.Fatalf("the page has no style")
	}
	hash := sha256.Sum256([]byte(style[1]))
	if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"; !strings.Contains(policy, want) ||
		!strings.HasPrefix(policy, "default-src 'none';") {
		t.Errorf("got the policy %q, want %s", policy, want)
	}
	d := xml.NewDecoder(strings.NewReader(text))
	d.Entity = xml.HTMLEntity
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
}

func TestThePageOfANewFarmSaysWhatToDo(t *testing.T) {
	server := newServer(Handler(newWriter(t).logs, &busyFarm{}, nil))
	defer server.Close()
	r := get(t, server.URL+"/")
	text := body(t, r)
	checkPage(t, text, r.Header.Get("Content-Security-Policy"))
	for _, want := range []string{"tbfg agent new", "Nothing waits", "tbfg build"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestThePageOfABrokenFarm(t *testing.T) {
	server := newServer(Handler(newWriter(t).logs, &busyFarm{broken: errors.New("disk on fire")}, nil))
	defer server.Close()
	if r := get(t, server.URL+"/"); r.StatusCode != 500 || strings.Contains(body(t, r), "fire") {
		t.Errorf("got %s", r.Status)
	}
}
