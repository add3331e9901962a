package clientapi

import (
	"context"
	"net/http"

	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// Reload makes the farm read its configuration again and says what came of
// it.
func (c *Client) Reload(ctx context.Context) (wire.ConfigStatus, error) {
	var status wire.ConfigStatus
	err := c.caller.JSON(ctx, http.MethodPost, "/reload", nil, &status)
	return status, err
}

// Secrets lists the farm's secrets, without what they are.
func (c *Client) Secrets(ctx context.Context) ([]wire.Secret, error) {
	var list wire.SecretList
	err := c.caller.JSON(ctx, http.MethodGet, "/secrets", nil, &list)
	return list.Secrets, err
}

// Rotate makes a secret anew.
func (c *Client) Rotate(ctx context.Context, name string) error {
	return c.caller.JSON(ctx, http.MethodPost, "/secrets/rotate", wire.RotateRequest{Name: name}, nil)
}
