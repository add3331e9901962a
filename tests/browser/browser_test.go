//go:debug default=go1.25

package browser

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/front"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// viewer is a browser for one test.
type viewer struct {
	t    *testing.T
	ctx  context.Context // ends before the test would hang
	b    *Browser
	shot string // the directory of screenshots, kept if TBFG_ARTIFACTS names one
}

func newViewer(t *testing.T) *viewer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	b, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := os.Getenv("TBFG_ARTIFACTS")
	if dir == "" {
		dir = t.TempDir()
	}
	return &viewer{t, ctx, b, dir}
}

func (v *viewer) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

func (v *viewer) open(url string) *Page {
	v.t.Helper()
	p, err := v.b.Open(v.ctx, url)
	v.must(err)
	return p
}

func (v *viewer) screenshot(p *Page, name string) {
	v.t.Helper()
	file := filepath.Join(v.shot, name+".png")
	v.must(p.Screenshot(v.ctx, file))
	if info, err := os.Stat(file); err != nil || info.Size() < 2000 {
		v.t.Errorf("the screenshot %s is nothing: %v, %v", name, info, err)
	}
}

// door is the front door of a farm without a front end.
func door(t *testing.T, f *coordinatortest.Farm) string {
	t.Helper()
	server := httptest.NewServer(front.Handler(f.Logs, f.Coordinator, nil))
	t.Cleanup(func() {
		server.CloseClientConnections() // a browser keeps them
		server.Close()
	})
	return server.URL
}

func TestALogGrowsBeforeOnesEyes(t *testing.T) {
	f, v := coordinatortest.Open(t), newViewer(t)
	build, size := coordinatortest.UUID(1), int64(0)
	write := func(text string) {
		t.Helper()
		var err error
		size, err = f.Logs.Append(build, size, []byte(text))
		v.must(err)
	}
	write("one short line\n")
	p := v.open(door(t, f) + "/build/" + build + "/log")
	shows := func(text string) {
		t.Helper()
		v.must(p.WaitFor(v.ctx, fmt.Sprintf("document.body.innerText.includes(%q)", text)))
	}
	shows("one short line")
	v.must(p.Eval(v.ctx, "window.same = true", new(bool)))
	for n := range 5 {
		line := fmt.Sprintf("line %d of <b>ärger</b>", n)
		write(line + "\n")
		shows(line)
	}
	v.must(p.WaitFor(v.ctx, "document.readyState == 'loading'"))
	v.screenshot(p, "live-log")
	write("the last line\n")
	v.must(f.Logs.Finish(build, size))
	shows("the last line")
	v.must(p.WaitFor(v.ctx, "document.readyState == 'complete' && window.same"))
}

func TestTheFarmsOwnPage(t *testing.T) {
	f, v := coordinatortest.Open(t), newViewer(t)
	empty := v.open(door(t, f) + "/")
	v.must(empty.WaitFor(v.ctx, "document.body.innerText.includes('No builds yet')"))
	v.screenshot(empty, "own-page-empty")
	inhabit(f)
	p := v.open(door(t, f) + "/")
	// It would load itself anew after a while, which on a busy machine is in the middle of what follows.
	v.must(p.WaitFor(v.ctx, "document.querySelectorAll('section').length == 3 && document.body.innerText.includes('bedok') && (window.stop(), true)"))
	v.screenshot(p, "own-page-light")
	v.everybody(p, "the farm's page, light", "meta-refresh") // it has no script that could do it
	v.must(p.Dark(v.ctx, true))
	v.screenshot(p, "own-page-dark")
	v.everybody(p, "the farm's page, dark", "meta-refresh")
	v.must(p.Dark(v.ctx, false))
	v.must(p.Width(v.ctx, 400))
	v.must(p.WaitFor(v.ctx, "document.documentElement.scrollWidth <= 400"))
	v.screenshot(p, "own-page-narrow")
	v.must(p.Width(v.ctx, 1200))
	// Its style is applied, so its policy allows it.
	v.must(p.WaitFor(v.ctx, "getComputedStyle(document.querySelector('.scroll')).borderTopLeftRadius != '0px'"))
	// The log is a click away.
	v.must(p.Eval(v.ctx, "document.querySelector('td a').click(), true", new(bool)))
	v.must(p.WaitFor(v.ctx, "location.pathname.endsWith('/log') && document.body.innerText.includes('checking for gcc')"))
	v.screenshot(p, "finished-log")
}

// inhabit lets a farm live for a while.
func inhabit(f *coordinatortest.Farm) {
	ctx := context.Background()
	bedok, _ := f.Joined("bedok")
	description := "TBFG agent, a laptop in the attic"
	f.Must(f.ChangeAgent(ctx, bedok, daemon.AgentChange{Description: &description}))
	simei, _ := f.Joined("simei")
	paused := daemon.Paused
	f.Must(f.ChangeAgent(ctx, simei, daemon.AgentChange{Mode: &paused}))
	f.Must(f.ReportStatus(ctx, bedok, daemon.AgentStatus{Status: "running", Load1Min: 3.2, Processors: 8}))
	var previous []storepath.Path
	for n, name := range []string{"zlib-1.3.1", "gmp-6.3.0", "mpfr-4.2.1", "flint-3.1.3", "pari-gp-2.17.0", "giac-1.9.0-998",
		"maxima-5.47.0", "gap-4.13.1", "singular-4.4.0", "sagemath-10.5", "hello-2.12.1"} {
		drv := f.Derivation(name, previous...)
		f.Added(drv)
		if previous = []storepath.Path{drv}; n%3 == 1 {
			previous = nil
		}
	}
	for n := range 4 {
		build := f.Given(bedok, 1)[0]
		f.Must(f.ReportStart(ctx, bedok, build))
		f.Must(f.SaveLog(ctx, bedok, build, "none", log()))
		f.Ended(bedok, build, n != 2)
	}
	for _, build := range f.Given(bedok, 2) {
		f.Must(f.ReportStart(ctx, bedok, build))
	}
}

func log() *strings.Reader {
	return strings.NewReader(strings.Repeat("checking for gcc... gcc\nchecking whether the C compiler works... yes\n", 30))
}
