package system

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/account"
)

// oursModule is a module of packages that guix-daemon builds offline, with the
// tools of package toy: ordinary packages of a build system of their own.
const oursModule = `(define-module (ours packages)
  #:use-module (guix packages) #:use-module (guix build-system)
  #:use-module (guix derivations) #:use-module (guix gexp)
  #:use-module (guix store) #:use-module (ice-9 match))

(define tools "TOOLS")

(define* (toy-build name inputs #:key script system #:allow-other-keys)
  (define derivations
    (map (match-lambda ((_ input . _) (gexp-input-thing input))) inputs))
  (raw-derivation name (string-append tools "/bin/bash") (list "-e" "-c" script)
                  #:system system
                  #:inputs (map derivation-input derivations)
                  #:sources (list tools)
                  #:env-vars (acons "PATH" (string-append tools "/bin")
                                    (map (lambda (drv)
                                           (cons "input" (derivation->output-path drv)))
                                         derivations))))

(define* (toy-lower name #:key system inputs outputs script #:allow-other-keys)
  (bag (name name) (system system) (build-inputs inputs) (outputs outputs)
       (build toy-build) (arguments (list #:script script))))

(define toy-build-system
  (build-system (name 'toy) (description "Bash") (lower toy-lower)))

(define-syntax-rule (toy n v script i) ; so that inputs are looked up late
  (package (name n) (version v) (source #f)
           (build-system toy-build-system)
           (arguments (list #:script script))
           (inputs i)
           (home-page #f) (synopsis #f) (description #f) (license #f)))

`

// revision writes the module with these definitions.
func (h *host) revision(definitions ...string) {
	h.t.Helper()
	h.write("/srv/ours/ours/packages.scm", strings.ReplaceAll(oursModule, "TOOLS", string(h.shop.Tools()))+strings.Join(definitions, "\n"), 0o644)
}

func define(variable, version, script, inputs string) string {
	return fmt.Sprintf("(define-public %s (toy %[1]q %q %q %s))", variable, version, script, inputs)
}

func (f *farm) report(args ...string) account.Account {
	f.t.Helper()
	said := f.tbfg(append([]string{"report", "--json"}, append(args, "ours")...)...)
	var a account.Account
	if err := json.Unmarshal([]byte(said.out), &a); err != nil {
		f.t.Fatalf("got %+v: %v", said, err)
	}
	return a
}

// words says of every package what the report says.
func words(a account.Account) string {
	var list []string
	for _, p := range a.Packages {
		word := p.Package + " " + string(p.State)
		if p.Change != "" {
			word += " " + string(p.Change)
		}
		for _, i := range p.BlockedBy {
			word += " by " + a.Failures[i].Name
		}
		list = append(list, fmt.Sprintf("%s (%d, %d, %d)", word, p.Since, p.LastGood, p.FirstBad))
	}
	return strings.Join(list, "; ")
}

// A team's own packages go through build, break and fix over three revisions.
func TestATeamsPackages(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	if err := h.Machine.WriteFile("/srv/ours/README", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f := newFarm(h, func(conf *config.Config) {
		conf.Collections = []config.Collection{{Name: "ours", Source: "guix", LoadPath: []string{"/srv/ours"}, Modules: []string{"ours/packages.scm"}}}
	})
	app := define("app", "1", `cat "$input" >"$out"`, "(list lib)")
	tool := define("tool", "1", `echo tool >"$out"`, "'()")
	update := func(want string) {
		t.Helper()
		if said := f.tbfg("collection", "update", "ours"); said.status != 0 {
			t.Fatalf("got %+v", said)
		}
		f.waitOver()
		a := f.report()
		if got := words(a); got != want {
			t.Errorf("got\n\t%s\nwant\n\t%s", got, want)
		}
	}

	h.revision(define("lib", "1", `echo lib >"$out"`, "'()"), app, tool)
	update("app builds (1, 1, 0); lib builds (1, 1, 0); tool builds (1, 1, 0)")

	h.revision(define("lib", "2", `echo the end is near; exit 3`, "'()"), app, define("tool", "1", `echo tool >"$out"`, `(error "no such\nthing: \"mpi\"")`))
	update("app blocked broken by lib-2 (2, 1, 2); lib fails broken (2, 1, 2); tool not-evaluated broken (2, 1, 2)")
	a := f.report()
	if len(a.Failures) != 1 || a.Failures[0].Blocks != 1 || a.Failures[0].LogEnd != "the end is near" {
		t.Errorf("got the failures %+v, want that of lib with the end of its log", a.Failures)
	}
	if text := a.Packages[2].Error; text != "no such\nthing: \"mpi\"" {
		t.Errorf("got the error %q of tool, want what its package says", text)
	}
	if said := f.tbfg("report", "--fail-on=broken", "ours"); said.status != 1 || !strings.Contains(said.out, "lib-2") || !strings.Contains(said.out, "no such") {
		t.Errorf("got %+v, want status 1 and what broke", said)
	}

	h.revision(define("lib", "3", `echo new lib >"$out"`, "'()"), app, tool)
	update("app builds fixed (3, 3, 0); lib builds fixed (3, 3, 0); tool builds fixed (3, 3, 0)")
	if said := f.tbfg("report", "--fail-on=broken", "--only=fixed", "ours"); said.status != 0 || strings.Count(said.out, "fixed") != 4 {
		t.Errorf("got %+v, want status 0 and what was fixed", said)
	}
	if got := words(f.report("--since=1")); strings.Contains(got, "fixed") || strings.Contains(got, "broken") {
		t.Errorf("since the first revision: got %s, want no changes", got)
	}
	for path, want := range map[string]string{"/report/": ">ours</a>", "/report/ours": "<h1>ours</h1>", "/report/ours/badge.svg": "3 of 3 build"} {
		if text := get(t, f.frontURL+path); !strings.Contains(text, want) {
			t.Errorf("%s: got %s, want one with %s", path, text, want)
		}
	}
	if said := f.tbfg("collection", "remove", "ours"); said.status != 1 || !strings.Contains(said.err, "configuration") {
		t.Errorf("got %+v, want that it stands in the configuration", said)
	}
}

// get is what is at a URL.
func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %s, %v", url, r.Status, err)
	}
	return string(text)
}
