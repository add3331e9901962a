package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/agent"
	"codeberg.org/tbfg/tbfg/daemon/secrets"
)

// runLocalAgent runs the agent inside the farm, if one is wanted, until ctx
// ends. It talks to the coordinator over HTTP as every agent does.
func (f *farm) runLocalAgent(ctx context.Context) error {
	if !f.conf.LocalAgent.Enabled {
		<-ctx.Done()
		return nil
	}
	uuid, password, err := f.localCredentials(ctx)
	if err != nil {
		return fmt.Errorf("start the local agent: %w", err)
	}
	a, err := newAgent(f.conf.LocalAgent.Builder, agent.Config{
		Coordinator: f.agentURL, UUID: uuid, Password: password,
		SpoolDir: filepath.Join(f.conf.StateDir, localSpool), Grace: time.Duration(f.conf.Grace),
		Log: f.log.With("in", "local-agent"), // the coordinator says much the same
	})
	if err != nil {
		return err
	}
	f.metrics.Register(a)
	f.local.Store(a)
	return a.Run(ctx)
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
	problems, err := secrets.Check(filepath.Join(f.conf.StateDir, "secrets"), os.Geteuid(), os.Getegid())
	if err != nil {
		f.log.Warn("cannot look whether the secrets are kept from others", "err", err)
	}
	for _, p := range problems {
		f.log.Warn(p.String())
	}
}
