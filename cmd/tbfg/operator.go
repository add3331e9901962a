package main

import (
	"context"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/secrets"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// The farm as clientapi.Operator.

func (f *farm) Reload() (wire.ConfigStatus, error) {
	status, err := f.live.Reload()
	if err != nil {
		err = daemon.Errorf(daemon.Invalid, "the configuration stays as it is: the new one is wrong: %v", err)
	}
	return status, err
}

func (f *farm) Configuration() wire.ConfigStatus { return f.live.Status() }

func (f *farm) Secrets() ([]wire.Secret, error) {
	list, err := f.secrets.List()
	out := make([]wire.Secret, len(list))
	for i, s := range list {
		out[i] = wire.Secret{Name: s.Name, File: s.File, Purpose: s.Purpose, Made: wire.Time{Time: s.Made}}
	}
	return out, err
}

// Rotate makes a secret anew. Whoever uses it finds the new one in the file.
func (f *farm) Rotate(ctx context.Context, name string) error {
	switch name {
	case secrets.SigningKey:
		return f.rotateKey(name, newSigningKey, f.signingKey)
	case secrets.ClientToken:
		return f.rotateKey(name, newClientToken, f.clientToken)
	}
	agent, declared := secrets.AgentOf(name)
	if !declared && name != secrets.LocalAgentPassword {
		return secrets.Unknown(name)
	}
	if _, there, err := f.secrets.Read(name); err != nil {
		return err
	} else if !there {
		return secrets.Unknown(name)
	}
	if declared {
		return f.newToken(ctx, agent)
	}
	uuid, _, err := f.secrets.Read(secrets.LocalAgentUUID)
	if err != nil {
		return err
	}
	password, err := f.coordinator.ReplacePassword(ctx, uuid)
	if err != nil {
		return err
	}
	if err := f.secrets.Write(secrets.LocalAgentPassword, password); err != nil {
		return err
	}
	if a := f.local.Load(); a != nil {
		a.RereadPassword()
	}
	return nil
}
