//go:debug default=go1.25

package front

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"

	"github.com/klauspost/compress/gzip"
)

// farm is what the scripts talk to: a real store of logs and a handful of
// builds, whose names the scripts use.
type farm struct {
	server *httptest.Server
	names  *strings.Replacer // $name to the build's UUID
	file   []byte            // the log.gz of $done
	log    string            // and its text
	large  string            // the text of $large
}

func newFarm(t *testing.T) *farm {
	t.Helper()
	file, err := os.ReadFile("testdata/build.log.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	logs, err := buildlog.Open(filepath.Join(t.TempDir(), "build-logs"), 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	builds := make(map[string]daemon.State)
	var names []string
	add := func(name string, state daemon.State) (uuid string) {
		uuid = fmt.Sprintf("00000000-0000-4000-8000-%012d", len(builds))
		builds[uuid] = state
		names = append(names, "$"+name+"/", uuid+"/")
		return uuid
	}
	save := func(uuid, format, body string) {
		if err := logs.Save(uuid, format, strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		noon := time.Date(2025, 8, 13, 12, 0, 0, 0, time.UTC)
		if err := os.Chtimes(logs.File(uuid), noon, noon); err != nil {
			t.Fatal(err)
		}
	}
	for _, state := range daemon.States {
		add(string(state), state)
	}
	save(add("done", daemon.Succeeded), "gzip", string(file))
	save(add("empty", daemon.Failed), "none", "")
	old, err := os.ReadFile("testdata/old.log.bz2")
	if err != nil {
		t.Fatal(err)
	}
	save(add("bzip2", daemon.Succeeded), "bzip2", string(old))
	large := strings.Repeat(string(text), smallText/len(text)+1)
	uuid := add("large", daemon.Succeeded)
	save(uuid, "none", large)
	largeFile, err := os.ReadFile(logs.File(uuid))
	if err != nil {
		t.Fatal(err)
	}
	save(add("two", daemon.Succeeded), "gzip", string(largeFile)+string(file))
	for name, content := range map[string][]byte{"damaged": []byte("no gzip data"), "truncated": file[:len(file)/2],
		"incomplete": incomplete(file)} {
		uuid := add(name, daemon.Succeeded)
		save(uuid, "none", "")
		if err := os.WriteFile(logs.File(uuid), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	trouble := add("trouble", daemon.Ready)

	server := newServer(Handler(logs, &someFarm{states: builds, trouble: trouble}, nil))
	t.Cleanup(server.Close)
	return &farm{server, strings.NewReplacer(names...), file, string(text), large}
}

// incomplete is a gzip file that lacks a part, and says truly that its text is
// small.
func incomplete(file []byte) []byte {
	return append(slices.Clone(file[:len(file)/2]), file[len(file)-8:]...)
}

// someFarm is a coordinator that only tells of builds.
type someFarm struct {
	states  map[string]daemon.State
	trouble string // the build that cannot be looked up
}

func (f *someFarm) Build(_ context.Context, uuid string) (build daemon.BuildDetail, err error) {
	state, known := f.states[uuid]
	switch {
	case len(uuid) != 36:
		return build, daemon.Errorf(daemon.Invalid, "%q is no UUID", uuid)
	case !known:
		return build, daemon.Errorf(daemon.NotFound, "there is no build %s", uuid)
	case uuid == f.trouble:
		return build, errors.New("disk on fire")
	}
	build.State = state
	return build, nil
}

func (f *someFarm) Agents(context.Context) ([]daemon.Agent, error) { return nil, nil }

func (f *someFarm) Recent(context.Context, int) ([]daemon.Build, error) { return nil, nil }

func (f *someFarm) Queue() map[string]map[daemon.State]int { return nil }

func (f *someFarm) Trouble() error { return nil }

func TestScripts(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	defer slog.SetDefault(before)
	f := newFarm(t)
	f.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("got %v, %v, want the scripts", scripts, err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		line := 1
		for exchange := range strings.SplitSeq(string(text), "\n\n") {
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(script), line), func(t *testing.T) { f.exchange(t, exchange) })
			line += strings.Count(exchange, "\n") + 2
		}
	}
}

// exchange sends a request as it stands and checks the answer.
func (f *farm) exchange(t *testing.T, script string) {
	var request, claims []string
	for line := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
		if text, ok := strings.CutPrefix(line, "> "); ok {
			request = append(request, f.names.Replace(text))
		} else if text, ok := strings.CutPrefix(line, "< "); ok {
			claims = append(claims, text)
		} else if !strings.HasPrefix(line, "#") {
			t.Fatalf("%q is neither request nor claim", line)
		}
	}
	conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request[0] += " HTTP/1.1"
	request = append(request, "Host: farm", "Connection: close")
	if _, err := io.WriteString(conn, strings.Join(request, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request[0], " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	checkStrict(t, resp.Header)
	cut := false
	for _, claim := range claims {
		cut = cut || claim == "cut off"
		f.check(t, resp, string(body), claim)
	}
	if cut != (err != nil) {
		t.Errorf("the body ended with %v", err)
	}
}

// check checks one claim about an answer.
func (f *farm) check(t *testing.T, resp *http.Response, body, claim string) {
	word, rest, _ := strings.Cut(claim, " ")
	switch {
	case claim == "cut off":
	case word == "no":
		if got, there := resp.Header[rest]; there {
			t.Errorf("got %s: %q, want none", rest, got)
		}
	case word == "body":
		if want := f.body(t, rest); body != want {
			t.Errorf("got the body %.100q of %d bytes, want %.100q of %d", body, len(body), want, len(want))
		}
	case strings.HasSuffix(word, ":"):
		if got := resp.Header[strings.TrimSuffix(word, ":")]; len(got) != 1 || got[0] != rest {
			t.Errorf("got %s %q, want %q", word, got, rest)
		}
	default:
		if got := strconv.Itoa(resp.StatusCode); got != claim {
			t.Errorf("got status %s, want %s", got, claim)
		}
	}
}

func (f *farm) body(t *testing.T, claim string) string {
	var from, to int
	switch {
	case claim == "log":
		return f.log
	case claim == "large":
		return f.large
	case claim == "large then log":
		return f.large + f.log
	case claim == "file":
		return string(f.file)
	case strings.HasPrefix(claim, "file "):
		if _, err := fmt.Sscanf(claim, "file %d %d", &from, &to); err != nil {
			t.Fatalf("%s: %v", claim, err)
		}
		return string(f.file[from:to])
	}
	text, err := strconv.Unquote(claim)
	if err != nil {
		t.Fatalf("%s: %v", claim, err)
	}
	return text
}
