package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/agent"
	"codeberg.org/tbfg/tbfg/daemon/durable"
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
		SpoolDir: filepath.Join(f.conf.StateDir, "agent-spool"), Grace: time.Duration(f.conf.Grace),
		Log: f.log.With("in", "local-agent"), // the coordinator says much the same
	})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// localCredentials are the local agent's UUID and password. They are made at
// the first start and kept in two files of the secrets directory; should the
// database have been lost since, the agent is added again under the same UUID.
func (f *farm) localCredentials(ctx context.Context) (uuid, password string, err error) {
	dir := filepath.Join(f.conf.StateDir, "secrets")
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	idFile, passwordFile := filepath.Join(dir, "local-agent.uuid"), filepath.Join(dir, "local-agent.password")
	text, err := os.ReadFile(idFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	uuid = strings.TrimSpace(string(text))
	if uuid != "" {
		password, warning, err := config.ReadSecret(passwordFile)
		if warning != "" {
			f.log.Warn(warning)
		}
		if err == nil && f.coordinator.Authenticate(ctx, uuid, password) == nil {
			return uuid, password, nil
		}
	}
	if _, known := f.coordinator.Agent(ctx, uuid); uuid == "" || known != nil {
		name := f.conf.LocalAgent.Name
		if name == "" {
			name = hostname()
		}
		if uuid, err = f.coordinator.NewAgent(ctx, uuid, name, "local agent of the farm"); err != nil {
			return "", "", err
		}
		if err := durable.WriteFile(idFile, []byte(uuid+"\n"), 0o600); err != nil {
			return "", "", err
		}
	}
	if password, err = f.coordinator.NewPassword(ctx, uuid); err != nil {
		return "", "", err
	}
	return uuid, password, durable.WriteFile(passwordFile, []byte(password+"\n"), 0o600)
}
