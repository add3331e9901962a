package agent

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// A Report is what an agent tells of itself to those on its own machine. The
// times are in UTC, sizes in bytes.
type Report struct {
	UUID        string        `json:"uuid"`
	Coordinator string        `json:"coordinator"`
	Status      string        `json:"status"` // "idle", "running" or "low on disk space"
	Since       time.Time     `json:"since"`  // of the agent's start
	LastContact time.Time     `json:"last_contact,omitzero"`
	Systems     []string      `json:"systems"` // that are asked for
	Parallel    int           `json:"max_parallel_builds"`
	Load        float64       `json:"load_average_1min"`
	MaxLoad     float64       `json:"max_1min_load_average"` // above it no build starts
	Builds      []BuildReport `json:"builds"`
	SpoolBytes  int64         `json:"spool_bytes"`
	Disks       []Disk        `json:"disks"`
	MinFree     int64         `json:"min_free_space"`
}

// Report describes the agent as it is now.
func (a *Agent) Report() Report {
	builds := a.phases.list()
	running := 0
	for _, b := range builds {
		if b.Phase != Waiting {
			running++
		}
	}
	s := a.status(running)
	set := a.current.Load()
	r := Report{UUID: a.UUID, Coordinator: a.Coordinator, Status: s.Status, Since: a.since, Systems: a.foreign.without(set.Systems),
		Parallel: set.MaxParallelBuilds, Load: s.Load1Min, MaxLoad: set.MaxLoad, Builds: builds, SpoolBytes: a.spoolBytes(), Disks: a.disks(), MinFree: set.MinFree}
	if at := a.contact.Load(); at > 0 {
		r.LastContact = time.Unix(0, at).UTC()
	}
	return r
}

// spoolBytes is the size of all that waits in the spool directory.
func (a *Agent) spoolBytes() (size int64) {
	_ = filepath.WalkDir(a.SpoolDir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it is gone meanwhile
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}

// loopPatience is how long the agent's goroutine that decides may be silent
// before something is wrong with it. It looks about each loadInterval.
const loopPatience = time.Minute

// Health is a line on how the agent is, and whether it is well: one that is
// not should be started again.
func (a *Agent) Health() (line string, well bool) {
	count := make(map[Phase]int)
	for _, b := range a.phases.list() {
		count[b.Phase]++
	}
	var parts []string
	for _, phase := range []Phase{Building, SettingUp, Reporting, Waiting} {
		if n := count[phase]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, phase))
		}
	}
	line = "idle"
	if parts != nil {
		line = "builds: " + strings.Join(parts, ", ")
	}
	if a.full.Load() {
		line += "; low on disk space"
	}
	beat := a.beat.Load()
	return line, beat == 0 || time.Since(time.Unix(0, beat)) < loopPatience
}
