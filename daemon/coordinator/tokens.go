package coordinator

import (
	"context"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"

	"github.com/google/uuid"
)

// NewToken makes a token with which agents enrol, until it expires or is
// revoked. The database keeps only its salted hash.
func (c *Coordinator) NewToken(ctx context.Context, description string, expires time.Time) (token string, err error) {
	if err := checkText(&description); err != nil {
		return "", err
	}
	if !expires.IsZero() && !expires.After(c.Now()) {
		return "", daemon.Errorf(daemon.Invalid, "the token would have expired already")
	}
	token = newSecret()
	row := datastore.TokenRow{Token: daemon.Token{Description: description, Created: c.Now(), Expires: expires}, Hash: HashSecret(token)}
	err = c.change(ctx, func(ch *change) error {
		_, err := ch.InsertToken(ch.ctx, row)
		return err
	})
	if err != nil {
		return "", err
	}
	c.Log.Info("a token was made", "description", description)
	return token, nil
}

// Tokens are all tokens, without what they are.
func (c *Coordinator) Tokens(ctx context.Context) ([]daemon.Token, error) {
	rows, err := c.Store.Tokens(ctx)
	tokens := make([]daemon.Token, len(rows))
	for i, row := range rows {
		tokens[i] = row.Token
	}
	return tokens, err
}

// RevokeToken makes a token useless. Agents that enrolled with it stay.
func (c *Coordinator) RevokeToken(ctx context.Context, id int64) error {
	return c.change(ctx, func(ch *change) error {
		found, err := ch.DeleteToken(ch.ctx, id)
		if err == nil && !found {
			err = daemon.Errorf(daemon.NotFound, "there is no token %d", id)
		}
		return err
	})
}

// opens tells whether an agent may enrol with a token now.
func (c *Coordinator) opens(t daemon.Token, agent string) bool {
	return (t.Expires.IsZero() || t.Expires.After(c.Now())) && (t.Agent == "" || t.Agent == agent)
}

// Enrol gives whoever has a valid token an agent with a name, which is added
// if there is none, and a password for it.
func (c *Coordinator) Enrol(ctx context.Context, name, token string) (id, password string, err error) {
	if name == "" || len(name) > 200 {
		return "", "", daemon.Errorf(daemon.Invalid, "an agent's name must have 1 to 200 bytes")
	}
	rows, err := c.Store.Tokens(ctx)
	if err != nil {
		return "", "", err
	}
	valid := false
	for _, row := range rows {
		valid = CheckSecret(row.Hash, token) && c.opens(row.Token, name) || valid
	}
	if !valid {
		return "", "", daemon.Errorf(daemon.Denied, "this token is not valid")
	}
	secret, chosen := newSecret(), uuid.NewString()
	var agent string
	err = c.change(ctx, func(ch *change) error {
		known, err := ch.AgentByName(ch.ctx, name)
		if err != nil {
			return err
		}
		if agent = known; agent == "" {
			agent = chosen
			if err := ch.InsertAgent(ch.ctx, agent, name, ""); err != nil {
				return err
			}
			if err := c.tellAgent(ch, agent); err != nil {
				return err
			}
		}
		return ch.InsertPassword(ch.ctx, agent, datastore.Password{Hash: HashSecret(secret), Created: c.Now()})
	})
	if err != nil {
		return "", "", err
	}
	c.Log.Info("agent "+agent+" enrolled", "name", name)
	return agent, secret, nil
}
