package coordinatortest

import (
	"context"

	"codeberg.org/tbfg/tbfg/daemon/secrets"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// Operator stands around a coordinator without a configuration and secrets.
type Operator struct{}

func (Operator) Reload() (wire.ConfigStatus, error)          { return wire.ConfigStatus{}, nil }
func (Operator) Configuration() wire.ConfigStatus            { return wire.ConfigStatus{} }
func (Operator) Secrets() ([]wire.Secret, error)             { return nil, nil }
func (Operator) Rotate(_ context.Context, name string) error { return secrets.Unknown(name) }
