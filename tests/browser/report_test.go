package browser

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/collection"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/report"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// accounted serves the reports of a farm with a collection that was evaluated
// three times: things broke, one was fixed, one waits.
func accounted(t *testing.T) (url string) {
	t.Helper()
	f := coordinatortest.Open(t)
	keeper, err := collection.Open(collection.Config{Coordinator: f.Coordinator, System: coordinatortest.System, LogFile: f.Logs.File,
		Log: slog.New(slog.DiscardHandler)})
	f.Must(err)
	t.Cleanup(func() { keeper.Close() })
	agent, _ := f.Joined("bedok")
	file := filepath.Join(t.TempDir(), "derivations")
	f.Must(f.PutCollection(t.Context(), daemon.Collection{Name: "science", Source: daemon.FromFile, File: file, Schedule: "1h"}))
	f.Must(f.PutCollection(t.Context(), daemon.Collection{Name: "games", Source: daemon.FromFile, File: file, Schedule: "1h"}))
	revise := func(failing string, names ...string) {
		t.Helper()
		var list []string
		var blas storepath.Path
		for n, name := range names {
			var inputs []storepath.Path
			if n > 0 && n < 4 {
				inputs = append(inputs, blas)
			}
			drv := f.Derivation(name, inputs...)
			if n == 0 {
				blas = drv
			}
			list = append(list, string(drv))
		}
		f.Must(os.WriteFile(file, []byte(strings.Join(list, "\n")), 0o644))
		f.Clock.Advance(time.Hour)
		_, err := keeper.Update(t.Context(), "science", false)
		f.Must(err)
		for _, build := range f.Given(agent, 100) {
			b, err := f.Build(t.Context(), build)
			f.Must(err)
			if strings.HasPrefix(b.Derivation.Name(), "giac-2") {
				continue // it waits
			}
			f.Must(f.ReportStart(t.Context(), agent, build))
			f.Must(f.SaveLog(t.Context(), agent, build, "none", strings.NewReader("phase `check' failed after 3.1 seconds\n")))
			f.Ended(agent, build, !strings.Contains(failing, strings.TrimSuffix(b.Derivation.Name(), ".drv")))
		}
		f.Given(agent, 100) // what has become ready
	}
	revise("octave-9.1", "openblas-0.3.29", "python-numpy-1.26", "scotch-7.0", "suitesparse-7.8", "octave-9.1", "giac-1.9", "pari-gp-2.17", "flint-3.1")
	revise("", "openblas-0.3.29", "python-numpy-1.26", "scotch-7.0", "suitesparse-7.8", "octave-9.2", "giac-1.9", "pari-gp-2.17", "flint-3.1")
	revise("openblas-0.3.30 flint-3.2", "openblas-0.3.30", "python-numpy-1.27", "scotch-7.1", "suitesparse-7.9", "octave-9.2", "giac-2.0", "pari-gp-2.17", "flint-3.2")
	server := httptest.NewServer(report.Handler(keeper))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL + "/report/"
}

// everybody checks with axe-core that everybody can read a page. Rules that it
// breaks on purpose may be left out.
func (v *viewer) everybody(p *Page, what string, without ...string) {
	v.t.Helper()
	script, err := exec.Command("../axe").Output()
	if err != nil {
		v.t.Fatalf("tests/axe: %v%s", err, stderr(err))
	}
	axe, err := os.ReadFile(strings.TrimSpace(string(script)))
	v.must(err)
	v.must(p.Eval(v.ctx, string(axe)+";true", new(bool)))
	var found struct {
		Passes     int
		Violations []string
	}
	rules := make(map[string]any)
	for _, rule := range without {
		rules[rule] = map[string]bool{"enabled": false}
	}
	options, err := json.Marshal(map[string]any{"rules": rules})
	v.must(err)
	v.must(p.Eval(v.ctx, `axe.run(document, `+string(options)+`).then(r => ({passes: r.passes.length, violations: r.violations.flatMap(
		v => v.nodes.map(n => v.id + ": " + n.html + ": " + n.failureSummary))}))`, &found))
	for _, text := range found.Violations {
		v.t.Errorf("%s: %s", what, text)
	}
	if found.Passes < 10 {
		v.t.Errorf("%s: got %d rules that apply and hold, want more", what, found.Passes)
	}
}

func stderr(err error) string {
	if exit, ok := err.(*exec.ExitError); ok {
		return "\n" + string(exit.Stderr)
	}
	return ""
}

func TestTheReport(t *testing.T) {
	v := newViewer(t)
	url := accounted(t)
	p := v.open(url)
	v.must(p.WaitFor(v.ctx, "document.readyState == 'complete' && document.querySelectorAll('.collections li').length == 2"))
	v.everybody(p, "the list of collections")
	v.must(p.Go(v.ctx, url+"science"))
	v.must(p.WaitFor(v.ctx, "document.readyState == 'complete' && document.querySelector('#shown')?.textContent == '8 of 8 shown'"))
	for _, dark := range []bool{false, true} {
		look := map[bool]string{false: "light", true: "dark"}[dark]
		v.must(p.Dark(v.ctx, dark))
		v.screenshot(p, "report-"+look)
		v.everybody(p, "the report, "+look)
		v.must(p.Width(v.ctx, 360))
		v.must(p.WaitFor(v.ctx, "document.documentElement.scrollWidth <= 360"))
		v.screenshot(p, "report-phone-"+look)
		v.everybody(p, "the report on a phone, "+look)
		v.must(p.Width(v.ctx, 1200))
	}
}

// Everything can be done with the keyboard, and one sees where one is.
func TestTheReportByKeyboard(t *testing.T) {
	v := newViewer(t)
	p := v.open(accounted(t) + "science")
	v.must(p.WaitFor(v.ctx, "document.readyState == 'complete' && document.querySelector('#shown')?.textContent == '8 of 8 shown'"))
	focus := func(script string) {
		t.Helper()
		for range 100 {
			v.must(p.Press(v.ctx, "Tab"))
			var seen string
			v.must(p.Eval(v.ctx, "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth", &seen))
			if seen != "solid3px" {
				var where string
				v.must(p.Eval(v.ctx, "document.activeElement.outerHTML.slice(0, 100)", &where))
				t.Errorf("one does not see that one is at %s: its outline is %s", where, seen)
			}
			var there bool
			if v.must(p.Eval(v.ctx, script, &there)); there {
				return
			}
		}
		t.Fatalf("no number of tabs leads to %s", script)
	}
	shows := func(packages string) {
		t.Helper()
		v.must(p.WaitFor(v.ctx, fmt.Sprintf("[...document.querySelectorAll('#table tbody tr')].filter(r => !r.hidden).map(r => r.cells[0].textContent.trim()).join(' ') == %q", packages)))
	}
	focus("document.activeElement.id == 'text'")
	for _, c := range "blas" {
		v.must(p.Press(v.ctx, string(c)))
	}
	shows("openblas python-numpy scotch suitesparse")
	focus("document.activeElement.id == 'state'")
	v.must(p.Press(v.ctx, "b"))
	shows("python-numpy scotch suitesparse")
	focus("document.activeElement.textContent == 'Package'")
	v.must(p.Press(v.ctx, "Enter"))
	v.must(p.WaitFor(v.ctx, "document.querySelector('th[aria-sort=ascending]')?.textContent == 'Package'"))
	shows("python-numpy scotch suitesparse")
	v.must(p.Press(v.ctx, "Enter"))
	v.must(p.WaitFor(v.ctx, "document.querySelector('th[aria-sort=descending]')?.textContent == 'Package'"))
	shows("suitesparse scotch python-numpy")
	v.screenshot(p, "report-keyboard")
}
