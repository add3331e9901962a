package main

import (
	"context"
	"fmt"
	"time"
)

// healthTimeout is how long the database may take to answer.
const healthTimeout = 10 * time.Second

// health is a line on how the farm is, and whether it is well.
func (f *farm) health() (line string, well bool) {
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	agents, err := f.coordinator.Agents(ctx)
	if err != nil {
		return "the database does not answer: " + err.Error(), false
	}
	held := 0
	for _, a := range agents {
		held += len(a.Allocated)
	}
	line, well = fmt.Sprintf("%d agents hold %d builds", len(agents), held), true
	if local := f.local.Load(); local != nil {
		said, ok := local.Health()
		line, well = line+"; local agent: "+said, ok
	}
	return line, well
}
