package agent

import (
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

func TestTagsOverrideTheLimits(t *testing.T) {
	own := limits{2, time.Hour, time.Minute}
	for _, test := range []struct {
		name string
		tags []daemon.Tag
		want limits
	}{
		{"none", nil, own},
		{"others", []daemon.Tag{{Key: "cores", Value: "9"}, {Key: "Timeout", Value: "9"}}, own},
		{"seconds", []daemon.Tag{{Key: "timeout", Value: "7200"}}, limits{2, 2 * time.Hour, time.Minute}},
		{"a duration", []daemon.Tag{{Key: "max-silent-time", Value: "90m"}}, limits{2, time.Hour, 90 * time.Minute}},
		{"both", []daemon.Tag{{Key: "max-silent-time", Value: "1"}, {Key: "timeout", Value: "1h30m"}}, limits{2, 90 * time.Minute, time.Second}},
		{"no limit", []daemon.Tag{{Key: "timeout", Value: "0"}, {Key: "max-silent-time", Value: "0s"}}, limits{2, -1, -1}},
		{"nonsense", []daemon.Tag{{Key: "timeout", Value: "soon"}, {Key: "max-silent-time", Value: ""}}, own},
		{"negative", []daemon.Tag{{Key: "timeout", Value: "-1"}, {Key: "max-silent-time", Value: "-1h"}}, own},
		{"too long", []daemon.Tag{{Key: "timeout", Value: "99999999999"}, {Key: "max-silent-time", Value: "600000000s"}}, limits{2, time.Hour, 600000000 * time.Second}},
		{"much too long", []daemon.Tag{{Key: "max-silent-time", Value: "3000000000s"}}, own},
	} {
		a := newFake(t).newAgent(t.Output(), func(c *Config) {
			set := &c.Settings
			set.Cores, set.Timeout, set.MaxSilentTime = own.cores, own.timeout, own.silence
		})
		if got := a.limits(daemon.Allocation{Tags: test.tags}); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

func FuzzParseLimit(f *testing.F) {
	for _, text := range []string{"7200", "90m", "0", "-1", "1h30m", "9999999999999", "", "1e9s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		limit, err := parseLimit(text)
		if err == nil && limit != -1 && (limit <= 0 || limit > maxLimit) {
			t.Errorf("%q: got %v, want none, or one of up to %v", text, limit, maxLimit)
		}
	})
}

func TestNothingBeginsWhileTheLoadIsHigh(t *testing.T) {
	f := newFake(t)
	f.allocated = []string{build(1)}
	var log record
	a := f.newAgent(&log, func(c *Config) { c.Settings.MaxLoad = 1e-9 }) // a machine that runs tests has more
	if load, err := loadAverage(); err != nil || load <= a.current.Load().MaxLoad {
		t.Skipf("the load average is %v, %v", load, err)
	}
	f.run(a)
	f.wait("it says why it waits", func() bool { return log.has("waiting with new builds: the load average is ") })
	f.wait("it has told of the answer", func() bool { return log.has("starting 0 new builds") })
	if got := a.Report().Builds; len(got) != 1 || got[0].Phase != Waiting {
		t.Errorf("got the builds %+v, want one that waits", got)
	}
}
