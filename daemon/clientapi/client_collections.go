package clientapi

import (
	"context"
	"net/http"
	"net/url"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

func collectionPath(name string) string { return "/collection/" + url.PathEscape(name) }

// Collections are all collections.
func (c *Client) Collections(ctx context.Context) ([]wire.Collection, error) {
	var list wire.CollectionList
	err := c.caller.JSON(ctx, http.MethodGet, "/collections", nil, &list)
	return list.Collections, err
}

// Collection is one collection.
func (c *Client) Collection(ctx context.Context, name string) (wire.Collection, error) {
	var one wire.Collection
	err := c.caller.JSON(ctx, http.MethodGet, collectionPath(name), nil, &one)
	return one, err
}

// PutCollection adds a collection or changes the one of its name.
func (c *Client) PutCollection(ctx context.Context, spec daemon.Collection) error {
	return c.caller.JSON(ctx, http.MethodPut, collectionPath(spec.Name), spec, nil)
}

// RemoveCollection forgets a collection with its history.
func (c *Client) RemoveCollection(ctx context.Context, name string) error {
	return c.caller.JSON(ctx, http.MethodDelete, collectionPath(name), nil, nil)
}

// UpdateCollection updates a collection and waits for the outcome, which it
// decodes into out.
func (c *Client) UpdateCollection(ctx context.Context, name string, dryRun bool, out any) error {
	return c.caller.JSON(ctx, http.MethodPost, collectionPath(name)+"/update", wire.UpdateCollection{DryRun: dryRun}, out)
}

// Report is the account of a collection as JSON, to the letter as the
// coordinator has it; the parameters are system and since.
func (c *Client) Report(ctx context.Context, name string, query url.Values) ([]byte, error) {
	return c.caller.Text(ctx, collectionPath(name)+"/report?"+query.Encode())
}
