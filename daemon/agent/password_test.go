package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// keeper is an agent whose password is read from somewhere.
func (f *fake) keeper(log *record, text *atomic.Pointer[string]) *Agent {
	f.t.Helper()
	return f.newAgent(log, func(c *Config) {
		c.Reread = func() (string, error) {
			if p := text.Load(); p != nil {
				return *p, nil
			}
			return "", errors.New("there is nothing to read")
		}
	})
}

func pointer(s string) *string { return &s }

func TestAPasswordIsReadAnewWhenItIsRefused(t *testing.T) {
	f := newFake(t)
	f.secret = "another"
	var text atomic.Pointer[string]
	text.Store(pointer("another"))
	var log record
	a := f.keeper(&log, &text)
	if err := a.introduce(t.Context()); err != nil {
		t.Errorf("got %v, want the new password to be taken", err)
	}
	if log.has("another") {
		t.Error("the password is in the log")
	}
}

func TestAPasswordThatIsWrongFromTheBeginning(t *testing.T) {
	for _, text := range []*string{pointer("wrong"), pointer(password), nil} {
		f := newFake(t)
		f.secret = "another"
		var read atomic.Pointer[string]
		read.Store(text)
		var refusal *wire.StatusError
		if err := f.keeper(new(record), &read).introduce(t.Context()); !errors.As(err, &refusal) || refusal.Status != http.StatusForbidden {
			t.Errorf("got %v, want a refusal", err)
		}
	}
}

// The coordinator may hear of a new password before the agent does. What is to
// be delivered meanwhile waits.
func TestNothingIsLostWhileAPasswordIsRotated(t *testing.T) {
	f := newFake(t)
	var text atomic.Pointer[string]
	text.Store(pointer(password))
	var log record
	a := f.keeper(&log, &text)
	if err := a.introduce(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.set(func() { f.secret = "another" })
	delivered := make(chan error, 1)
	go func() {
		delivered <- a.insist(t.Context(), "report a result", func(ctx context.Context) error {
			return a.api.ReportResult(ctx, build(1), daemon.Result{Ended: time.Unix(0, 0)})
		})
	}()
	f.wait("it is refused", func() bool { return log.has("trying again") })
	select {
	case err := <-delivered:
		t.Fatalf("got %v, want it to wait for the password", err)
	default:
	}
	text.Store(pointer("another"))
	if err := <-delivered; err != nil {
		t.Errorf("got %v, want it delivered", err)
	}
	if path := fmt.Sprintf("PUT /build/%s", build(1)); !slices.Contains(f.reports, path) {
		t.Errorf("got the reports %q, want %s", f.reports, path)
	}

	// A refusal with credentials that are good is one of the thing itself.
	f.set(func() {
		f.answer["PUT /build/"+build(2)] = func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, http.StatusForbidden, wire.AccessDenied)
		}
	})
	err := a.insist(t.Context(), "report a result", func(ctx context.Context) error {
		return a.api.ReportResult(ctx, build(2), daemon.Result{Ended: time.Unix(0, 0)})
	})
	var refusal *wire.StatusError
	if !errors.As(err, &refusal) {
		t.Errorf("got %v, want the refusal", err)
	}
}
