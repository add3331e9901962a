package history

import (
	"context"
	"math/rand/v2"
	"sync"

	"codeberg.org/tbfg/tbfg/daemon/agentapi"
)

// Crowd are machines that come and go, of which each enrols under its name by a
// token that all share.
type Crowd struct {
	*World
	Token string

	mu       sync.Mutex // guards enrolled
	enrolled []Enrolled
}

// Enrolled is what the farm answered to a machine.
type Enrolled struct{ Name, ID, Password string }

// Enrol has a machine enrol until it is answered.
func (c *Crowd) Enrol(ctx context.Context, random *rand.Rand, name string) error {
	var e Enrolled
	_, err := c.insist(ctx, random, Event{Kind: Enrol, Who: name}, func(*Event) error {
		id, password, err := agentapi.Enrol(ctx, c.AgentURL, name, c.Token, nil)
		e = Enrolled{name, id, password}
		return err
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enrolled = append(c.enrolled, e)
	return nil
}

// Enrolled are all that were answered.
func (c *Crowd) Enrolled() []Enrolled {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Enrolled(nil), c.enrolled...)
}
