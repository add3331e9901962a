package clientapi

import (
	"net/http"
	"strconv"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

func (h *handler) newToken(w http.ResponseWriter, r *http.Request) (any, error) {
	var req wire.NewTokenRequest
	if err := wire.Read(w, r, &req); err != nil {
		return nil, err
	}
	expires := req.Expires.Time
	const century = 100 * 365 * 24 * 60 * 60
	switch {
	case req.ExpiresIn < 0 || req.ExpiresIn > century:
		return nil, daemon.Errorf(daemon.Invalid, "expires_in must be a number of seconds, at most a century")
	case req.ExpiresIn > 0 && !expires.IsZero():
		return nil, daemon.Errorf(daemon.Invalid, "a token has either expires_in or expires_at")
	case req.ExpiresIn > 0:
		expires = h.c.Now().Add(time.Duration(req.ExpiresIn * float64(time.Second)))
	}
	token, err := h.c.NewToken(r.Context(), req.Description, expires)
	return wire.NewTokenReply{Token: token}, err
}

func (h *handler) tokens(_ http.ResponseWriter, r *http.Request) (any, error) {
	tokens, err := h.c.Tokens(r.Context())
	return wire.NewTokenList(tokens), err
}

func (h *handler) revokeToken(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, daemon.Errorf(daemon.Invalid, "%.80q is not the number of a token", r.PathValue("id"))
	}
	return wire.ResultReply{Result: "token-revoked"}, h.c.RevokeToken(r.Context(), id)
}
