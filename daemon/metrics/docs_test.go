package metrics_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var metricName = regexp.MustCompile(`\b(tbfg|guixbuildcoordinator)_[a-z0-9_]+[a-z0-9]\b`)

// shown are the metrics that there are, by every name that queries have for
// them.
func shown(t *testing.T) map[string]bool {
	t.Helper()
	_, m := lived(t)
	names := make(map[string]bool)
	for line := range strings.Lines(scrape(t, m)) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(strings.TrimSpace(name), " ")
			names[name] = true
			if kind == "histogram" {
				names[name+"_bucket"], names[name+"_sum"], names[name+"_count"] = true, true, true
			}
		}
	}
	return names
}

func TestTheManualAndTheDashboardNameWhatThereIs(t *testing.T) {
	names := shown(t)
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	manual, dashboard := read("../../docs/metrics.md"), read("../../docs/grafana/tbfg.json")
	for file, text := range map[string]string{"docs/metrics.md": manual, "docs/grafana/tbfg.json": dashboard} {
		for _, name := range metricName.FindAllString(text, -1) {
			if !names[name] {
				t.Errorf("%s names %s, which is not there", file, name)
			}
		}
	}
	for name := range names {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if !strings.Contains(manual, "`"+base+"`") && !strings.Contains(manual, "`"+base+"{") {
			t.Errorf("docs/metrics.md does not explain %s", base)
		}
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(dashboard), &board); err != nil {
		t.Fatal(err)
	}
	var ids []int
	for _, panel := range board.Panels {
		if slices.Contains(ids, panel.ID) || panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("the panel %q has the number or place of another", panel.Title)
		}
		ids = append(ids, panel.ID)
		for _, target := range panel.Targets {
			if !metricName.MatchString(target.Expr) && !strings.Contains(target.Expr, "process_") {
				t.Errorf("the panel %q asks for %q", panel.Title, target.Expr)
			}
		}
	}
	if len(board.Panels) < 8 {
		t.Errorf("got %d panels", len(board.Panels))
	}
}
