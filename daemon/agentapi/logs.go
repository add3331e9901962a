package agentapi

import (
	"context"
	"io"
	"net/http"

	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

func (h *handler) log(w http.ResponseWriter, r *http.Request, agent string) (any, error) {
	return ok, h.c.SaveLog(r.Context(), agent, r.PathValue("uuid"), r.PathValue("format"), wire.Body(w, r))
}

func (h *handler) liveLog(w http.ResponseWriter, r *http.Request, agent string) (any, error) {
	chunk, err := wire.ParseLogChunk(r.URL.Query())
	if err != nil {
		return nil, err
	}
	size, err := h.c.AppendLog(r.Context(), agent, r.PathValue("uuid"), coordinator.LogChunk(chunk), wire.Body(w, r))
	return wire.LogSize{Size: size}, err
}

func (h *handler) liveLogSize(_ http.ResponseWriter, r *http.Request, agent string) (any, error) {
	size, err := h.c.LogSize(r.Context(), agent, r.PathValue("uuid"))
	return wire.LogSize{Size: size}, err
}

// SendLog sends a build's whole log, gzip data of the given size.
func (c *Client) SendLog(ctx context.Context, build string, log io.Reader, size int64) error {
	return c.upload(ctx, http.MethodPut, "/build/"+build+"/log/gzip", "application/gzip", log, size, nil)
}

// SendLogChunk sends a part of a log under way, plain text of the given size,
// and returns how much of the log is there. Coordinators other than tbfg do
// not know the route.
func (c *Client) SendLogChunk(ctx context.Context, build string, chunk wire.LogChunk, text io.Reader, size int64) (int64, error) {
	var there wire.LogSize
	err := c.upload(ctx, http.MethodPost, "/build/"+build+"/live-log?"+chunk.Query(), "application/octet-stream", text, size, &there)
	return there.Size, err
}

// LogSize asks how much there is of a log under way.
func (c *Client) LogSize(ctx context.Context, build string) (int64, error) {
	var there wire.LogSize
	err := c.json(ctx, 0, http.MethodGet, "/build/"+build+"/live-log", nil, &there)
	return there.Size, err
}
