package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/agent"
	"codeberg.org/tbfg/tbfg/daemon/secrets"
)

// runLocalAgent runs the agent inside the farm, while one is wanted, until ctx
// ends. It talks to the coordinator over HTTP as every agent does. That there
// can be none is an error at the start; later the farm goes on without.
func (f *farm) runLocalAgent(ctx context.Context) error {
	var a *agent.Agent // nil while there is none
	ended := make(chan error)
	next := func(conf config.Config) (err error) {
		wanted := conf.LocalAgent.Enabled
		switch {
		case wanted && a == nil:
			if a, err = f.newLocalAgent(ctx, conf); err == nil {
				go func(a *agent.Agent) { ended <- a.Run(ctx) }(a)
			}
		case wanted: // or, if it was retired, again when it has ended
			err = a.Configure(builderSettings(conf.LocalAgent.Builder, conf.Grace))
		case a != nil:
			f.log.Info("the local agent ends with what it builds now")
			a.Retire()
		}
		return err
	}
	conf := f.conf
	err := next(conf)
	for first := true; err == nil || !first; {
		if err != nil {
			f.log.Error("there is no local agent; it is tried again with the next configuration", "err", err)
		}
		select {
		case conf = <-f.localConf:
			first = false
			err = next(conf)
		case err = <-ended:
			f.metrics.Unregister(a)
			f.local.Store(nil)
			a = nil
			if ctx.Err() != nil {
				return err
			}
			if err == nil && conf.LocalAgent.Enabled {
				err = next(conf)
			}
		case <-ctx.Done():
			if a == nil {
				return nil
			}
			return <-ended
		}
	}
	return err
}

// newLocalAgent makes the local agent and shows it to the rest of the farm.
func (f *farm) newLocalAgent(ctx context.Context, conf config.Config) (*agent.Agent, error) {
	uuid, password, err := f.localCredentials(ctx)
	if err != nil {
		return nil, fmt.Errorf("start the local agent: %w", err)
	}
	a, err := newAgent(conf.LocalAgent.DaemonSocket, agent.Config{
		Coordinator: f.agentURL, UUID: uuid, Password: password, Reread: f.localPassword,
		SpoolDir: filepath.Join(conf.StateDir, localSpool), Settings: builderSettings(conf.LocalAgent.Builder, conf.Grace),
		Log: f.log.With("in", "local-agent"), // the coordinator says much the same
	})
	if err != nil {
		return nil, err
	}
	f.metrics.Register(a)
	f.local.Store(a)
	return a, nil
}

// localPassword is the local agent's password, which may be another now.
func (f *farm) localPassword() (string, error) {
	password, ok, err := f.secrets.Read(secrets.LocalAgentPassword)
	if err == nil && !ok {
		err = errors.New("the local agent's password is gone; the next start of the farm makes another")
	}
	return password, err
}

// localSpool is the local agent's spool directory in the state directory.
const localSpool = "agent-spool"

// localCredentials are the local agent's UUID and password. They are made at
// the first start and kept in two files of the secrets directory; should the
// database have been lost since, the agent is added again under the same UUID.
func (f *farm) localCredentials(ctx context.Context) (uuid, password string, err error) {
	uuid, known, err := f.secrets.Read(secrets.LocalAgentUUID)
	if err != nil {
		return "", "", err
	}
	if known {
		password, ok, err := f.secrets.Read(secrets.LocalAgentPassword)
		if err != nil {
			return "", "", err
		}
		if ok && f.coordinator.Authenticate(ctx, uuid, password) == nil {
			return uuid, password, nil
		}
		if _, err := f.coordinator.Agent(ctx, uuid); err != nil {
			known = false
		}
	}
	if !known {
		name := f.conf.LocalAgent.Name
		if name == "" {
			name = hostname()
		}
		if uuid, err = f.coordinator.NewAgent(ctx, uuid, name, "local agent of the farm"); err != nil {
			return "", "", err
		}
		if err := f.secrets.Write(secrets.LocalAgentUUID, uuid); err != nil {
			return "", "", err
		}
	}
	if password, err = f.coordinator.ReplacePassword(ctx, uuid); err != nil {
		return "", "", err
	}
	return uuid, password, f.secrets.Write(secrets.LocalAgentPassword, password)
}

// checkSecrets warns of secrets that others can get at.
func (f *farm) checkSecrets() {
	problems, err := secrets.Check(secretsDir(f.conf), os.Geteuid(), os.Getegid())
	if err != nil {
		f.log.Warn("cannot look whether the secrets are kept from others", "err", err)
	}
	for _, p := range problems {
		f.log.Warn(p.String())
	}
}
