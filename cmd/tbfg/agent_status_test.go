package main

import (
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/agent"
)

func TestABusyMachineSaysWhyNothingStarts(t *testing.T) {
	for load, want := range map[float64]string{
		1.5: "  load average:  1.50\n", 2: "  load average:  2.00\n",
		7: "  load average:  7.00, above max_1min_load_average (2.00): no build starts\n",
	} {
		var out strings.Builder
		printAgentReport(&out, agent.Report{Load: load, MaxLoad: 2})
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%swant %q in it", out.String(), want)
		}
	}
}
