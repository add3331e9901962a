package agent

import (
	"slices"
	"strings"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A Phase says how far the agent has come with a build.
type Phase string

// The phases, in their order. A build that is attempted again goes back.
const (
	Waiting   Phase = "waiting"    // for a slot
	SettingUp Phase = "setting up" // its inputs are being fetched
	Building  Phase = "building"
	Reporting Phase = "reporting" // the coordinator is being told, for as long as it takes
)

// A BuildReport is what the agent tells of a build that it holds.
type BuildReport struct {
	UUID       string         `json:"uuid"`
	Derivation storepath.Path `json:"derivation"`
	Phase      Phase          `json:"phase"`
	Since      time.Time      `json:"since"` // of the phase
}

// phases are the builds that the agent holds.
type phases struct {
	mu     sync.Mutex // guards builds, for moments only
	builds map[string]BuildReport
}

func (p *phases) set(b daemon.Allocation, phase Phase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.builds == nil {
		p.builds = make(map[string]BuildReport)
	}
	p.builds[b.UUID] = BuildReport{b.UUID, b.Derivation, phase, now()}
}

func (p *phases) remove(build string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.builds, build)
}

// list is all of them, those of which most is done first.
func (p *phases) list() []BuildReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]BuildReport, 0, len(p.builds))
	for _, b := range p.builds {
		list = append(list, b)
	}
	order := []Phase{Reporting, Building, SettingUp, Waiting}
	slices.SortFunc(list, func(a, b BuildReport) int {
		if a.Phase != b.Phase {
			return slices.Index(order, a.Phase) - slices.Index(order, b.Phase)
		}
		if d := a.Since.Compare(b.Since); d != 0 {
			return d
		}
		return strings.Compare(a.UUID, b.UUID)
	})
	return list
}
