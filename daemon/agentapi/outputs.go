package agentapi

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

func (h *handler) output(w http.ResponseWriter, r *http.Request, agent string) (any, error) {
	return h.saveOutput(w, r, agent, false)
}

func (h *handler) outputRest(w http.ResponseWriter, r *http.Request, agent string) (any, error) {
	return h.saveOutput(w, r, agent, true)
}

func (h *handler) saveOutput(w http.ResponseWriter, r *http.Request, agent string, resume bool) (any, error) {
	p, err := wire.ParseOutputPart(r.URL.Query())
	if err != nil {
		return nil, err
	}
	return ok, h.c.SaveOutput(r.Context(), agent, r.PathValue("uuid"), r.PathValue("name"),
		outputs.Part{Resume: resume, Offset: p.Offset, Hash: p.Hash}, wire.Body(w, r))
}

// outputSize answers with the length alone, that of what has arrived.
func (h *handler) outputSize(w http.ResponseWriter, r *http.Request, agent string) (any, error) {
	size, err := h.c.OutputSize(r.Context(), agent, r.PathValue("uuid"), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	w.WriteHeader(http.StatusOK)
	return answered, nil
}

// OutputSize asks how much of an output's file has arrived.
func (c *Client) OutputSize(ctx context.Context, build, output string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	return c.caller.Length(ctx, "/build/"+build+"/output/"+output+"/partial")
}

// SendOutput sends an output's file from an offset on, whose NAR has a hash;
// size is that of what is sent. Only an offset of zero does not depend on what
// has arrived before.
func (c *Client) SendOutput(ctx context.Context, build, output, hash string, offset int64, file io.Reader, size int64) error {
	method, path, part := http.MethodPut, "/build/"+build+"/output/"+output, wire.OutputPart{Offset: -1, Hash: hash}
	if offset > 0 {
		method, path, part.Offset = http.MethodPost, path+"/partial", offset
	}
	return c.upload(ctx, method, path+"?"+part.Query(), "application/octet-stream", file, size, nil)
}
