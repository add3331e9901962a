package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// recorded are the requests of agents that Check knows, by our names for them.
var recorded = map[string]Kind{"fetch-builds": Fetch, "report-start": Start, "setup-failure": SetupFailure,
	"build-log": Log, "live-log": Log, "build-result": Result, "release-build": Release}

// Recorder passes what real agents ask on to the coordinator at a URL, and
// records it. What that leaves unanswered stays so. An agent that does not
// hear an answer because of what lies between it and the recorder may say the
// same again, as any agent may.
func (h *History) Recorder(coordinator string) (http.Handler, error) {
	base, err := url.Parse(coordinator)
	if err != nil {
		return nil, fmt.Errorf("record what agents ask: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply, err := forward(base, r)
		pass(w, reply, err)
	})
	for name, kind := range recorded {
		for _, pattern := range wire.Routes[name] {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { h.record(w, r, base, kind) })
		}
	}
	return mux, nil
}

// A reply is an answer of the coordinator's. All that agents get are small.
type reply struct {
	*http.Response
	body []byte
}

// forward passes a request on.
func forward(base *url.URL, r *http.Request) (reply, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = base.Scheme, base.Host, ""
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	return reply{resp, body}, nil
}

// pass answers as the coordinator did.
func pass(w http.ResponseWriter, reply reply, err error) {
	if err != nil {
		panic(http.ErrAbortHandler) // this ends the connection
	}
	for key, values := range reply.Header {
		w.Header()[key] = values
	}
	w.WriteHeader(reply.StatusCode)
	w.Write(reply.body)
}

func (h *History) record(w http.ResponseWriter, r *http.Request, base *url.URL, kind Kind) {
	e := Event{Kind: kind}
	e.Who, _, _ = r.BasicAuth()
	if kind != Fetch {
		e.Build = r.PathValue("uuid")
	}
	if kind == Fetch || kind == Result {
		said, err := io.ReadAll(r.Body)
		if err == nil {
			err = e.read(said)
		}
		if err != nil {
			panic(http.ErrAbortHandler) // half a request
		}
		r.Body = io.NopCloser(bytes.NewReader(said))
	}
	var got reply
	_, err := h.Do(e, func(e *Event) (err error) {
		got, err = forward(base, r)
		switch {
		case err != nil:
			return err
		case got.StatusCode/100 != 2:
			return &wire.StatusError{Status: got.StatusCode, Message: string(got.body)}
		case kind == Fetch:
			var answer wire.FetchReply
			if err := json.Unmarshal(got.body, &answer); err != nil {
				return err
			}
			e.Gone = answer.Gone
			for _, b := range answer.Builds {
				e.Builds = append(e.Builds, b.UUID)
			}
		}
		return nil
	})
	if got.Response != nil {
		err = nil // the agent hears of a refusal
	}
	pass(w, got, err)
}

// read takes from a request what is recorded of it.
func (e *Event) read(said []byte) error {
	if e.Kind == Fetch {
		var request wire.FetchRequest
		if err := json.Unmarshal(said, &request); err != nil || request.Target == nil {
			return fmt.Errorf("read a question for builds %q: %w", said, err)
		}
		e.Target = *request.Target
		return nil
	}
	var result wire.Result
	if err := json.Unmarshal(said, &result); err != nil {
		return err
	}
	r, err := result.Domain()
	e.report(r)
	return err
}

// report makes an event of a result.
func (e *Event) report(r daemon.Result) {
	e.Success, e.Outputs = r.Success, make(map[string]string)
	for _, o := range r.Outputs {
		e.Outputs[o.Name] = o.Hash
	}
}
