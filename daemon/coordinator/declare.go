package coordinator

import (
	"context"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"

	"github.com/google/uuid"
)

// Declare makes the agents that the configuration names be as it says: one
// that is not there is added, the others get its description and tags. An
// agent that was declared and is not any more is deactivated, and its token
// revoked; the names of those are returned.
func (c *Coordinator) Declare(ctx context.Context, declared []daemon.DeclaredAgent) (gone []string, err error) {
	for _, d := range declared {
		if err := checkText(&d.Name, &d.Description); err != nil {
			return nil, err
		}
		if err := checkTags(d.Tags); err != nil {
			return nil, err
		}
	}
	systems := make(map[string][]string)
	err = c.change(ctx, func(ch *change) error {
		clear(systems)
		for _, d := range declared {
			id, err := c.declare(ch, d)
			if err != nil {
				return err
			}
			systems[id] = d.Systems
		}
		gone, err = c.undeclare(ch, declared)
		ch.then = append(ch.then, func() {
			c.declared = systems
			c.announce()
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range gone {
		c.Log.Info("agent " + name + " is not declared any more; it is not active now")
	}
	return gone, nil
}

func (c *Coordinator) declare(ch *change, d daemon.DeclaredAgent) (id string, err error) {
	if id, err = ch.AgentByName(ch.ctx, d.Name); err != nil {
		return "", err
	}
	if id == "" {
		id = uuid.NewString()
		if err := ch.InsertAgent(ch.ctx, id, d.Name, d.Description); err != nil {
			return "", err
		}
	}
	_, err = c.updateAgent(ch, id, daemon.AgentChange{Description: &d.Description, Tags: &d.Tags})
	return id, err
}

// undeclare deals with those who have a token of their own and are not
// declared any more.
func (c *Coordinator) undeclare(ch *change, declared []daemon.DeclaredAgent) (gone []string, err error) {
	tokens, err := ch.Tokens(ch.ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tokens {
		if t.Agent == "" || slices.ContainsFunc(declared, func(d daemon.DeclaredAgent) bool { return d.Name == t.Agent }) {
			continue
		}
		if _, err := ch.DeleteToken(ch.ctx, t.ID); err != nil {
			return nil, err
		}
		id, err := ch.AgentByName(ch.ctx, t.Agent)
		if err != nil {
			return nil, err
		}
		inactive := false
		if _, err := c.updateAgent(ch, id, daemon.AgentChange{Active: &inactive}); err != nil {
			return nil, err
		}
		gone = append(gone, t.Agent)
	}
	return gone, nil
}

// CanEnrol tells whether a token is one that enrols an agent.
func (c *Coordinator) CanEnrol(ctx context.Context, agent, token string) (bool, error) {
	rows, err := c.Store.Tokens(ctx)
	for _, row := range rows {
		if row.Agent == agent && CheckSecret(row.Hash, token) {
			return true, err
		}
	}
	return false, err
}

// NewAgentToken makes a declared agent a token in the place of the one it
// has. An agent that has none was not declared before and becomes active.
func (c *Coordinator) NewAgentToken(ctx context.Context, agent string) (token string, err error) {
	token = newSecret()
	row := datastore.TokenRow{Hash: HashSecret(token),
		Token: daemon.Token{Agent: agent, Description: "declared agent " + agent, Created: c.Now()}}
	err = c.change(ctx, func(ch *change) error {
		rows, err := ch.Tokens(ch.ctx)
		if err != nil {
			return err
		}
		known := false
		for _, old := range rows {
			if old.Agent != agent {
				continue
			}
			known = true
			if _, err := ch.DeleteToken(ch.ctx, old.ID); err != nil {
				return err
			}
		}
		if !known {
			id, err := ch.AgentByName(ch.ctx, agent)
			if err != nil {
				return err
			}
			active := true
			if _, err := c.updateAgent(ch, id, daemon.AgentChange{Active: &active}); err != nil {
				return err
			}
		}
		_, err = ch.InsertToken(ch.ctx, row)
		return err
	})
	return token, err
}

// allowed are those of the systems that an agent may build for.
func (c *Coordinator) allowed(agent string, systems []string) []string {
	c.mu.RLock()
	declared := c.declared[agent]
	c.mu.RUnlock()
	if len(declared) == 0 {
		return systems
	}
	return slices.DeleteFunc(slices.Clone(systems), func(s string) bool { return !slices.Contains(declared, s) })
}
