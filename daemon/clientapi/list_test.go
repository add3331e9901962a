package clientapi_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

// history is a farm in which something of everything has happened. Its builds
// are 0: succeeded, 1: failed, 2: blocked by that, 3: started, 4: deferred by
// a setup failure, 5: ready.
func history(t *testing.T) *farm {
	t.Helper()
	f := open(t)
	agent, err := f.NewAgent(t.Context(), "e092df28-3418-4f94-b7f0-a214b03291ee", "bedok", "TBFG agent")
	f.Must(err)
	broken := f.Derivation("broken-1.0")
	drvs := []storepath.Path{f.Derivation("hello-2.12"), broken, f.Derivation("blocked-3.1", broken), f.Derivation("long-4"),
		f.Derivation("unlucky-5"), f.Make("other-6", derivation.Derivation{System: "i686-linux"})}
	for n, drv := range drvs {
		f.Submitted(daemon.Submission{Derivation: drv, UUID: coordinatortest.UUID(n), Priority: int64(n % 2),
			Tags: []daemon.Tag{{Key: "set", Value: "science"}, {Key: drv.Name(), Value: ""}}[:1+n%2]})
	}
	f.Given(agent, 9)
	f.Must(f.ReportStart(t.Context(), agent, coordinatortest.UUID(0)))
	f.Must(f.ReportResult(t.Context(), agent, coordinatortest.UUID(0), daemon.Result{Success: true, Outputs: []daemon.Output{
		{Name: "out", Hash: "sha256:0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix0c6rdhv1q5jy7fsxdygj", Size: 279480,
			References: []storepath.Path{f.Output(drvs[0], "out")}}}}))
	f.Must(f.ReportStart(t.Context(), agent, coordinatortest.UUID(1)))
	f.Must(f.ReportResult(t.Context(), agent, coordinatortest.UUID(1), daemon.Result{Reason: "builder failed with exit code 1"}))
	f.Must(f.ReportStart(t.Context(), agent, coordinatortest.UUID(3)))
	f.Must(f.ReportSetupFailure(t.Context(), agent, coordinatortest.UUID(4), daemon.SetupFailure{
		Reason: daemon.MissingInputs, MissingInputs: []storepath.Path{f.Output(broken, "out")}}))
	f.Must(f.ChangeAgent(t.Context(), agent, daemon.AgentChange{Tags: &[]daemon.Tag{{Key: "place", Value: "home"}}}))
	f.Must(f.ReportStatus(t.Context(), agent, daemon.AgentStatus{Status: "running", Load1Min: 1.25, Processors: 4}))
	return f
}

// Bffe and people's scripts read these.
func TestGoldens(t *testing.T) {
	f := history(t)
	for file, path := range map[string]string{
		"builds.json":          "/builds",
		"build-succeeded.json": "/build/" + coordinatortest.UUID(0),
		"build-failed.json":    "/build/" + coordinatortest.UUID(1),
		"build-blocked.json":   "/build/" + coordinatortest.UUID(2),
		"build-deferred.json":  "/build/" + coordinatortest.UUID(4),
		"agents.json":          "/agents",
		"agent.json":           "/agent/e092df28-3418-4f94-b7f0-a214b03291ee",
	} {
		status, body := f.request("GET", path, "")
		if status != http.StatusOK {
			t.Fatalf("%s: got the status %d, want 200", path, status)
		}
		got := strings.ReplaceAll(body, `,"`, ",\n\"") + "\n" // a line for each field
		golden := filepath.Join("testdata", file)
		if *update {
			f.Must(os.WriteFile(golden, []byte(got), 0o644))
		}
		want, err := os.ReadFile(golden)
		f.Must(err)
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", path, diff)
		}
	}
}

func TestFiltersOfTheList(t *testing.T) {
	f := history(t)
	for _, tt := range []struct {
		query string
		want  string // the last digits of the builds
	}{
		{"", "012345"},
		{"processed=true", "01"},
		{"processed=false", "2345"},
		{"canceled=true", ""},
		{"canceled=false", "012345"},
		{"system=i686-linux", "5"},
		{"system=", "012345"},
		{"tag=set", "012345"},
		{"tag=set:science", "012345"},
		{"tag=set:games", ""},
		{"tag=broken-1.0.drv", "1"},
		{"tag=broken-1.0.drv:", "1"},
		{"system=i686-linux&system=x86_64-linux", "012345"},
		{"not_system=x86_64-linux", "5"},
		{"not_system=x86_64-linux&not_system=i686-linux", ""},
		{"tag=set&tag=long-4.drv", "3"},
		{"not_tag=long-4.drv&not_tag=broken-1.0.drv", "0245"},
		{"not_tag=set:science", ""},
		{"priority_gt=0", "135"},
		{"priority_gt=-1&priority_lt=1", "024"},
		{"created_after=2025-08-12+23:59:59", "012345"},
		{"created_before=2025-08-13+00:00:00", ""},
		{"relationship=no-dependent-builds&processed=false", "2345"},
		{"relationship=no-dependent-builds&limit=1&after_id=" + coordinatortest.UUID(2), "3"},
		{"result=success", "0"},
		{"result=failure", "1"},
		{"output=" + string(f.Output(f.Derivation("long-4"), "out")), "3"},
		{"output=/gnu/store/" + strings.Repeat("0", 32) + "-nothing", ""},
		{"limit=2", "01"},
		{"after_id=" + coordinatortest.UUID(3), "45"},
		{"processed=false&limit=1&after_id=" + coordinatortest.UUID(2), "3"},
	} {
		var got strings.Builder
		for _, b := range f.accept("GET", "/builds?"+tt.query, "")["builds"].([]any) {
			uuid := b.(map[string]any)["uuid"].(string)
			got.WriteString(uuid[len(uuid)-1:])
		}
		if got.String() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.query, got.String(), tt.want)
		}
	}
	for query, status := range map[string]int{
		"processed=yes":                         400,
		"processed=":                            400,
		"processed=true&processed=true":         400,
		"canceled=1":                            400,
		"limit=0":                               400,
		"limit=-1":                              400,
		"limit=many":                            400,
		"limit=99999999999999999999":            400,
		"tag=":                                  400,
		"tag=:science":                          400,
		"unknown=1":                             400,
		"priority_gt=high":                      400,
		"priority_lt=1&priority_lt=2":           400,
		"created_after=soon":                    400,
		"not_tag=:x":                            400,
		"relationship=none":                     400,
		"result=canceled":                       400,
		"output=hello":                          400,
		"derivation=hello":                      400,
		"%zz":                                   400,
		"processed=true;canceled=true":          400,
		"after_id=hello":                        400,
		"after_id=":                             200,
		"after_id=" + coordinatortest.UUID(123): 404,
	} {
		if got, body := f.request("GET", "/builds?"+query, ""); got != status {
			t.Errorf("%s: got %d %.200s, want %d", query, got, body, status)
		}
	}
}

func TestTheClientPagesThroughTheList(t *testing.T) {
	f := history(t)
	c := clientapi.NewClient(f.url)
	for _, tt := range []struct {
		limit int
		want  int
	}{{0, 6}, {1, 1}, {4, 4}, {6, 6}, {100, 6}} {
		seen, query := 0, url.Values{"canceled": {"false"}}
		f.Must(c.Builds(t.Context(), query, tt.limit, func(wire.Build) error {
			seen++
			return nil
		}))
		if len(query) != 1 {
			t.Errorf("got the query %v, want it as it was", query)
		}
		if seen != tt.want {
			t.Errorf("with the limit %d: got %d builds, want %d", tt.limit, seen, tt.want)
		}
	}
}
