package wire

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// MaxBody is the largest JSON body in bytes that an API reads.
const MaxBody = 8 << 20

// ErrorBody is what an API answers when it refuses. Error is a code where
// upstream has one and a sentence otherwise; Message is always a sentence.
type ErrorBody struct {
	Error   string `json:"error"`
	Message string `json:"message,omitempty"`
}

// Error codes that upstream's agent looks at.
const (
	AlreadyProcessed = "build_already_processed"
	AccessDenied     = "access denied"
)

// Reply answers with a message.
func Reply(w http.ResponseWriter, status int, v any) {
	body, err := Marshal(v)
	if err != nil {
		slog.Error("cannot encode a reply", "err", err)
		status, body = http.StatusInternalServerError, []byte(`{"error":"internal error"}`)
	}
	// Guile's client reads headers strictly and trusts the length.
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// statuses are the HTTP statuses of the codes of [daemon.Error].
var statuses = map[daemon.Code]int{
	daemon.Invalid:     http.StatusBadRequest,
	daemon.Denied:      http.StatusForbidden,
	daemon.NotFound:    http.StatusNotFound,
	daemon.Conflict:    http.StatusConflict,
	daemon.TooLarge:    http.StatusRequestEntityTooLarge,
	daemon.Unavailable: http.StatusServiceUnavailable,
	daemon.Processed:   http.StatusBadRequest,
}

// Fail answers with an error. What has no code is the operator's to read.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *daemon.Error
	if !errors.As(err, &e) || statuses[e.Code] == 0 {
		if r.Context().Err() == nil { // else the caller is gone
			slog.Error("cannot serve a request", "method", r.Method, "path", r.URL.Path, "err", err)
		}
		Reply(w, http.StatusInternalServerError, ErrorBody{Error: "internal error",
			Message: "the coordinator failed to serve the request; its log says why"})
		return
	}
	body := ErrorBody{Error: e.Text}
	switch e.Code {
	case daemon.Processed:
		body = ErrorBody{AlreadyProcessed, e.Text}
	case daemon.Denied:
		body = ErrorBody{AccessDenied, e.Text}
	}
	Reply(w, statuses[e.Code], body)
}

// TooMany answers one who has asked too often, and says when to ask again.
func TooMany(w http.ResponseWriter, again time.Duration, message string) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(again.Seconds()))))
	Reply(w, http.StatusTooManyRequests, ErrorBody{Error: "too many requests", Message: message})
}

// Read decodes the JSON body of a request. An empty body leaves v as it is.
func Read(w http.ResponseWriter, r *http.Request, v any) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, &patient{r.Body, http.NewResponseController(w), time.Now().Add(maxBodyTime)}, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return daemon.Errorf(daemon.TooLarge, "the request's body is larger than %d bytes", tooLarge.Limit)
	case err != nil:
		return daemon.Errorf(daemon.Invalid, "the request's body ended early: %v", err)
	case len(data) == 0:
		return nil
	}
	if !fewValues(data) {
		return daemon.Errorf(daemon.TooLarge, "the request's body has more than %d values", maxValues)
	}
	if err := Unmarshal(data, v); err != nil {
		return daemon.Errorf(daemon.Invalid, "the request's body: %v", err)
	}
	return nil
}

// maxValues is how many values a request may have. Each takes many times the
// memory of its text, of which it may have two bytes.
const maxValues = 100_000

// fewValues tells whether a JSON text has at most maxValues values, as far as
// its punctuation tells.
func fewValues(text []byte) bool {
	n, quoted, escaped := 1, false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == ',' || c == '[' || c == '{':
			n++
		}
	}
	return n <= maxValues
}

// maxPause is how long a peer may be silent in the middle of a body, and
// maxBodyTime how long it may take for one in JSON.
const (
	maxPause    = time.Minute
	maxBodyTime = 5 * time.Minute
)

// Body is the body of a request, which fails when the peer stops sending.
// How long it takes as a whole is not limited: logs and slow lines are long.
func Body(w http.ResponseWriter, r *http.Request) io.ReadCloser {
	return &patient{r.Body, http.NewResponseController(w), time.Time{}}
}

type patient struct {
	io.ReadCloser
	control *http.ResponseController
	until   time.Time // zero for no limit
}

func (p *patient) Read(b []byte) (int, error) {
	// Not every ResponseWriter can do this; those of tests can't.
	deadline := time.Now().Add(maxPause)
	if !p.until.IsZero() && p.until.Before(deadline) {
		deadline = p.until
	}
	_ = p.control.SetReadDeadline(deadline)
	n, err := p.ReadCloser.Read(b)
	if err != nil {
		_ = p.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
