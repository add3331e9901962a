package agentapi

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// enrol gives an agent that has a name and a token its UUID and a password. It
// is the one thing here that is done without these.
func (h *handler) enrol(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if again := h.failures.wait(host, h.c.Now()); again > 0 {
		wire.TooMany(w, again, "too many attempts to enrol with a wrong token")
		return
	}
	var req wire.EnrolRequest
	r.Body = http.MaxBytesReader(w, r.Body, maxEnrolment) // of whom nothing is known
	err = wire.Read(w, r, &req)
	var reply wire.EnrolReply
	if err == nil {
		reply.ID, reply.Password, err = h.c.Enrol(r.Context(), req.Name, req.Token)
		reply.Agent = reply.ID
	}
	if daemon.CodeOf(err) == daemon.Denied {
		h.failures.count(host, h.c.Now())
	}
	if err != nil {
		wire.Fail(w, r, err)
		return
	}
	wire.Reply(w, http.StatusOK, reply)
}

const (
	maxFailures = 10   // enrolments with a wrong token from one address in a minute
	maxHosts    = 1000 // addresses that are counted by themselves

	maxEnrolment = 16 << 10 // bytes of a request
)

// failures counts enrolments with a wrong token. Tokens cannot be guessed; this
// keeps those who try from filling the log, and counts each address by itself
// so that they do not keep others out.
type failures struct {
	mu    sync.Mutex     // guards what follows
	began time.Time      // of the minute that is counted
	hosts map[string]int // failures in it
}

// wait is how long an address has to wait before it may try again.
func (f *failures) wait(host string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn(now)
	if f.hosts[host] < maxFailures && len(f.hosts) < maxHosts {
		return 0
	}
	return f.began.Add(time.Minute).Sub(now)
}

func (f *failures) count(host string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn(now)
	f.hosts[host]++
}

// turn begins a new minute if the last one is over. The caller holds mu.
func (f *failures) turn(now time.Time) {
	if f.hosts == nil || now.Sub(f.began) >= time.Minute || now.Before(f.began) {
		f.began, f.hosts = now, make(map[string]int)
	}
}

// Enrol asks the coordinator at a URL for an agent with a name, by a token,
// and returns the agent's UUID and a password. It tries all the routes that the
// coordinator may have for this. Roots are the authorities to trust over https;
// nil stands for the system's.
func Enrol(ctx context.Context, coordinator, name, token string, roots *x509.CertPool) (id, password string, err error) {
	caller := wire.NewCaller(coordinator, nil)
	caller.Trust(roots)
	defer caller.HTTP.CloseIdleConnections()
	for _, route := range wire.Routes["enrol"] {
		method, path, _ := strings.Cut(route, " ")
		var reply wire.EnrolReply
		err = caller.JSON(ctx, method, path, wire.EnrolRequest{Name: name, Token: token}, &reply)
		var status *wire.StatusError
		if errors.As(err, &status) && status.Status == http.StatusNotFound {
			continue
		}
		id = cmp.Or(reply.ID, reply.Agent)
		if err == nil && (id == "" || reply.Password == "") {
			err = fmt.Errorf("the coordinator's answer has no UUID or no password")
		}
		return id, reply.Password, err
	}
	return "", "", err
}
