package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/agent"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/durable"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

// usesToken tells whether an agent is to enrol by itself. With options for a
// password it is not, whatever the configuration says.
func usesToken(c *cli.Context, conf config.Agent) bool {
	switch {
	case c.IsSet("dynamic-auth-token") || c.IsSet("dynamic-auth-token-file"):
		return true
	case c.IsSet("password") || c.IsSet("password-file"):
		return false
	}
	return conf.TokenFile != ""
}

// runEnrolled runs an agent that has a name and a token. It enrols once and
// keeps what it got in its spool directory; should the coordinator not know
// that any more, it enrols again.
func runEnrolled(c *cli.Context, conf config.Config, base agent.Config) (err error) {
	name := conf.Agent.Name
	if name == "" {
		return usagef("an agent with a token needs a name: --name or the key agent.name")
	}
	token := func() (string, error) { return c.String("dynamic-auth-token"), nil }
	if !c.IsSet("dynamic-auth-token") {
		token = func() (string, error) {
			token, warning, err := config.ReadSecret(conf.Agent.TokenFile)
			if warning != "" {
				base.Log.Warn(warning)
			}
			return token, err
		}
	}
	if _, err := token(); err != nil {
		return err
	}
	if base.SpoolDir == "" {
		if base.SpoolDir, err = defaultSpool("name-" + url.PathEscape(name)); err != nil {
			return err
		}
	}
	if err := durable.MkdirAll(base.SpoolDir, 0o700); err != nil {
		return fmt.Errorf("make the spool directory: %w", err)
	}
	e := &enrolment{file: filepath.Join(base.SpoolDir, "enrolment.json"), coordinator: base.Coordinator, roots: base.Roots,
		name: name, token: token, log: base.Log}
	var current atomic.Pointer[agent.Agent]
	health := func() (string, bool) {
		if a := current.Load(); a != nil {
			return a.Health()
		}
		return "enrolling", true
	}
	return runReady(c.Context, conf.PIDFile, health, func(ctx context.Context) error {
		return e.run(ctx, func(ctx context.Context, uuid, password string) error {
			own := base
			own.UUID, own.Password = uuid, password
			a, err := newAgent(conf.Agent.DaemonSocket, own)
			if err != nil {
				return err
			}
			current.Store(a)
			return runAgent(ctx, conf.Agent, a)
		})
	})
}

// enrolment is an agent's way to its UUID and password.
type enrolment struct {
	file              string // of credentials; whoever can read it is the agent, lost it is made again
	coordinator, name string
	roots             *x509.CertPool
	token             func() (string, error) // read each time: it may have been replaced
	log               *slog.Logger
}

// credentials are what the file holds. They are for one coordinator and one
// name.
type credentials struct {
	Coordinator string `json:"coordinator"`
	Name        string `json:"name"`
	UUID        string `json:"uuid"`
	Password    string `json:"password"`
}

// run runs an agent, and once more with new credentials if those that were
// kept are refused.
func (e *enrolment) run(ctx context.Context, run func(ctx context.Context, uuid, password string) error) error {
	if kept, ok := e.kept(); ok {
		err := run(ctx, kept.UUID, kept.Password)
		var status *wire.StatusError
		if !errors.As(err, &status) || status.Status != http.StatusForbidden && status.Status != http.StatusUnauthorized {
			return err
		}
		e.log.Warn("the coordinator does not know this agent any more; enrolling again", "agent", kept.UUID)
	}
	made, err := e.enrol(ctx)
	if err != nil {
		return err
	}
	return run(ctx, made.UUID, made.Password)
}

// kept are the credentials from an earlier run. A file that makes no sense is
// as good as none.
func (e *enrolment) kept() (c credentials, ok bool) {
	text, err := os.ReadFile(e.file)
	if err != nil || json.Unmarshal(text, &c) != nil {
		return c, false
	}
	return c, c.Coordinator == e.coordinator && c.Name == e.name && c.UUID != "" && c.Password != ""
}

// enrol asks for credentials until the coordinator answers, and keeps them.
func (e *enrolment) enrol(ctx context.Context) (credentials, error) {
	c := credentials{Coordinator: e.coordinator, Name: e.name}
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		var err error
		var token string
		if token, err = e.token(); err != nil {
			return c, err
		}
		c.UUID, c.Password, err = agentapi.Enrol(ctx, e.coordinator, e.name, token, e.roots)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return c, context.Cause(ctx)
		}
		var status *wire.StatusError
		wait := pause
		if errors.As(err, &status) {
			if status.Status < 500 && status.Status != http.StatusTooManyRequests {
				return c, fmt.Errorf("the coordinator %s refuses to enrol %q: %w", e.coordinator, e.name, err)
			}
			wait = max(wait, min(status.RetryAfter, 10*time.Minute))
		}
		e.log.Warn("cannot enrol; trying again", "err", err, "after", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return c, context.Cause(ctx)
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		return c, err
	}
	if err := durable.WriteFile(e.file, append(text, '\n'), 0o600); err != nil {
		return c, fmt.Errorf("keep the agent's password: %w", err)
	}
	e.log.Info("enrolled as agent "+c.UUID, "name", e.name)
	return c, nil
}
