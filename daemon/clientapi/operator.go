package clientapi

import (
	"context"
	"net/http"

	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// An Operator does what concerns the program around the coordinator: its
// configuration and its secrets.
type Operator interface {
	// Reload reads the configuration again. One that is wrong changes
	// nothing and is an error of the code daemon.Invalid.
	Reload() (wire.ConfigStatus, error)
	// Configuration is what is to be said of it.
	Configuration() wire.ConfigStatus
	// Secrets lists the secrets, without what they are.
	Secrets() ([]wire.Secret, error)
	// Rotate makes a secret anew and makes the old one useless.
	Rotate(ctx context.Context, name string) error
}

func (h *handler) reload(http.ResponseWriter, *http.Request) (any, error) { return h.operator.Reload() }

func (h *handler) secrets(http.ResponseWriter, *http.Request) (any, error) {
	list, err := h.operator.Secrets()
	return wire.SecretList{Secrets: list}, err
}

func (h *handler) rotateSecret(w http.ResponseWriter, r *http.Request) (any, error) {
	var req wire.RotateRequest
	if err := wire.Read(w, r, &req); err != nil {
		return nil, err
	}
	return wire.ResultReply{Result: "rotated"}, h.operator.Rotate(r.Context(), req.Name)
}
