package coordinator

import (
	"context"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"

	"github.com/google/uuid"
)

const maxTextSize = 10_000 // bytes of an agent's name or description

// NewAgent adds an agent; an empty id lets the coordinator choose one.
func (c *Coordinator) NewAgent(ctx context.Context, id, name, description string) (string, error) {
	if id == "" {
		id = uuid.NewString()
	} else if err := CheckUUID(id); err != nil {
		return "", err
	}
	if err := checkText(&name, &description); err != nil {
		return "", err
	}
	err := c.change(ctx, func(ch *change) error {
		if _, taken, err := ch.Agent(ch.ctx, id); err != nil {
			return err
		} else if taken {
			return daemon.Errorf(daemon.Conflict, "there is an agent %s already", id)
		}
		if err := ch.InsertAgent(ch.ctx, id, name, description); err != nil {
			return err
		}
		return c.tellAgent(ch, id)
	})
	if err != nil {
		return "", err
	}
	c.Log.Info("agent "+id+" added", "name", name)
	return id, nil
}

func checkText(texts ...*string) error {
	for _, t := range texts {
		if t != nil && len(*t) > maxTextSize {
			return daemon.Errorf(daemon.Invalid, "a name or description must have at most %d bytes", maxTextSize)
		}
	}
	return nil
}

// ChangeAgent changes what people say of an agent, and whether it is active.
func (c *Coordinator) ChangeAgent(ctx context.Context, id string, a daemon.AgentChange) error {
	if err := CheckUUID(id); err != nil {
		return err
	}
	if err := checkText(a.Name, a.Description); err != nil {
		return err
	}
	if a.Mode != nil && !slices.Contains(daemon.Modes, *a.Mode) {
		return daemon.Errorf(daemon.Invalid, "an agent's mode is one of %q, not %.80q", daemon.Modes, *a.Mode)
	}
	if a.Tags != nil {
		if err := checkTags(*a.Tags); err != nil {
			return err
		}
	}
	err := c.change(ctx, func(ch *change) error {
		found, err := c.updateAgent(ch, id, a)
		if err == nil && !found {
			err = noAgent(id)
		}
		ch.then = append(ch.then, c.announce) // it may be back
		return err
	})
	if err == nil {
		c.Log.Info("agent "+id+" changed", changes(a)...)
	}
	return err
}

// updateAgent changes an agent and says so in the stream; found is false if
// there is no such agent.
func (c *Coordinator) updateAgent(ch *change, id string, a daemon.AgentChange) (found bool, err error) {
	if found, err = ch.UpdateAgent(ch.ctx, id, a); err != nil || !found {
		return found, err
	}
	return true, c.tellAgent(ch, id)
}

// changes are what was changed of an agent, for the log.
func changes(a daemon.AgentChange) (attrs []any) {
	if a.Name != nil {
		attrs = append(attrs, "name", *a.Name)
	}
	if a.Active != nil {
		attrs = append(attrs, "active", *a.Active)
	}
	if a.Mode != nil {
		attrs = append(attrs, "mode", *a.Mode)
	}
	return attrs
}

func noAgent(id string) error { return daemon.Errorf(daemon.NotFound, "there is no agent %s", id) }

// NewPassword makes an agent a further password and returns it. The database
// keeps only its salted hash.
func (c *Coordinator) NewPassword(ctx context.Context, id string) (string, error) {
	password := newSecret()
	err := c.AddPassword(ctx, id, password)
	if err != nil {
		return "", err
	}
	c.Log.Info("agent " + id + " has a new password")
	return password, nil
}

// ReplacePassword makes an agent a password in the place of all that it has.
func (c *Coordinator) ReplacePassword(ctx context.Context, id string) (string, error) {
	password := newSecret()
	row := datastore.Password{Hash: HashSecret(password), Created: c.Now()}
	err := c.change(ctx, func(ch *change) error {
		if err := ch.DeletePasswords(ch.ctx, id); err != nil {
			return err
		}
		return ch.InsertPassword(ch.ctx, id, row)
	})
	if err != nil {
		return "", err
	}
	c.Log.Info("agent " + id + " has a new password; others are not valid any more")
	return password, nil
}

// AddPassword lets an agent use a password that the caller chose.
func (c *Coordinator) AddPassword(ctx context.Context, id, password string) error {
	if err := CheckUUID(id); err != nil {
		return err
	}
	hash := HashSecret(password)
	return c.change(ctx, func(ch *change) error {
		if _, found, err := ch.Agent(ch.ctx, id); err != nil {
			return err
		} else if !found {
			return noAgent(id)
		}
		return ch.InsertPassword(ch.ctx, id, datastore.Password{Hash: hash, Created: c.Now()})
	})
}

// Authenticate tells whether an agent has this password.
func (c *Coordinator) Authenticate(ctx context.Context, id, password string) error {
	passwords, err := c.Store.Passwords(ctx, id)
	if err != nil {
		return err
	}
	ok := false
	for _, p := range passwords {
		ok = CheckSecret(p.Hash, password) || ok
	}
	if !ok {
		return daemon.Errorf(daemon.Denied, "wrong agent UUID or password")
	}
	c.see(id)
	return nil
}
