package agent

import (
	"slices"
	"sync"
)

// foreignSystems are those that were asked for and that the daemon has said
// it cannot build for. It lives as long as the agent: what the kernel runs
// seldom changes.
type foreignSystems struct {
	mu    sync.Mutex
	names []string // guarded by mu
}

func (f *foreignSystems) has(system string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.names, system)
}

// add notes a system; it tells whether that is news.
func (f *foreignSystems) add(system string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.names, system) {
		return false
	}
	f.names = append(f.names, system)
	return true
}

// without is a list of systems less the foreign ones.
func (f *foreignSystems) without(systems []string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(systems), func(s string) bool { return slices.Contains(f.names, s) })
}
