package main

import (
	"context"
	"fmt"
	"strings"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/secrets"
)

// declare makes the agents that the configuration names be there, each with a
// token in the directory of secrets by which it enrols.
func (f *farm) declare(ctx context.Context, agents []config.DeclaredAgent) error {
	declared := make([]daemon.DeclaredAgent, len(agents))
	for i, a := range agents {
		declared[i] = daemon.DeclaredAgent{Name: a.Name, Description: a.Description, Systems: a.Systems}
		for _, tag := range a.Tags {
			key, value, _ := strings.Cut(tag, "=")
			declared[i].Tags = append(declared[i].Tags, daemon.Tag{Key: key, Value: value})
		}
	}
	gone, err := f.coordinator.Declare(ctx, declared)
	if err != nil {
		return fmt.Errorf("declare the agents: %w", err)
	}
	for _, agent := range gone {
		if err := f.secrets.Remove(secrets.AgentToken(agent)); err != nil {
			return err
		}
	}
	for _, a := range agents {
		if err := f.keepToken(ctx, a.Name); err != nil {
			return fmt.Errorf("make a token for the agent %s: %w", a.Name, err)
		}
	}
	return nil
}

// keepToken makes an agent a token unless there is one that works.
func (f *farm) keepToken(ctx context.Context, agent string) error {
	token, ok, err := f.secrets.Read(secrets.AgentToken(agent))
	if err != nil {
		return err
	}
	if ok {
		if ok, err = f.coordinator.CanEnrol(ctx, agent, token); ok || err != nil {
			return err
		}
	}
	return f.newToken(ctx, agent)
}

// newToken makes an agent another token. One that is in the database and,
// after a crash, not in the file is replaced at the next start.
func (f *farm) newToken(ctx context.Context, agent string) error {
	token, err := f.coordinator.NewAgentToken(ctx, agent)
	if err != nil {
		return err
	}
	return f.secrets.Write(secrets.AgentToken(agent), token)
}
