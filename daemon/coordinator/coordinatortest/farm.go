// Package coordinatortest gives tests a coordinator on a real database in a
// temporary directory, with a clock that stands still and derivations that are
// made on the spot.
package coordinatortest

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/events"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// System is what derivations are built for unless a test says otherwise.
const System = "x86_64-linux"

// MaxLogSize is the largest log of a build.
const MaxLogSize = 1 << 20

// MaxOutputSize is the largest output.
const MaxOutputSize = 1 << 20

// SetupRetry and MaxSetupRetry are the pauses after setup failures.
const (
	SetupRetry    = 30 * time.Second
	MaxSetupRetry = time.Hour
)

// Farm is a coordinator with all that it needs.
type Farm struct {
	*coordinator.Coordinator
	*Derivations        // what Fetch finds
	Clock        *Clock // the coordinator's
	Log          *Log   // what the coordinator says
	Database     string // file name

	t      testing.TB
	change func(*coordinator.Config) // of each start; may be nil
}

// Open starts a coordinator on a new database. It is closed at the end of
// the test.
func Open(t testing.TB) *Farm {
	t.Helper()
	f := At(t, filepath.Join(t.TempDir(), "tbfg.db"))
	t.Cleanup(f.Close)
	return f
}

// At starts a coordinator on a database file. The caller closes it.
func At(t testing.TB, database string) *Farm {
	t.Helper()
	f := &Farm{t: t, Database: database, Derivations: NewDerivations(), Log: new(Log),
		Clock: &Clock{now: time.Date(2025, 8, 13, 0, 0, 0, 0, time.UTC)}}
	f.start()
	return f
}

// OpenWith is Open with another configuration, also after a restart.
func OpenWith(t testing.TB, change func(*coordinator.Config)) *Farm {
	t.Helper()
	f := Open(t)
	f.Change(change)
	return f
}

// Change restarts the coordinator with another configuration.
func (f *Farm) Change(change func(*coordinator.Config)) {
	f.t.Helper()
	f.change = change
	f.Restart()
}

// Stream starts a stream of the coordinator's events, which ends with the test.
func (f *Farm) Stream() *events.Stream {
	f.t.Helper()
	stream := events.New(f.Coordinator, 0, slog.New(slog.NewTextHandler(f.Log, nil)))
	ctx, end := context.WithCancel(context.WithoutCancel(f.t.Context()))
	done := make(chan struct{})
	go func() {
		stream.Run(ctx)
		close(done)
	}()
	f.t.Cleanup(func() {
		end()
		<-done
	})
	return stream
}

// For is the same farm, which fails another test, such as a case of a fuzz
// test.
func (f *Farm) For(t testing.TB) *Farm {
	c := *f
	c.t = t
	return &c
}

// Restart closes the coordinator and starts it again on the same database.
func (f *Farm) Restart() {
	f.t.Helper()
	f.Close()
	f.start()
}

// Twin starts a coordinator on a copy of the database, with the same clock,
// as if the machine had crashed now. The caller closes it.
func (f *Farm) Twin() *Farm {
	f.t.Helper()
	copied := filepath.Join(f.t.TempDir(), "tbfg.db")
	f.Exec("VACUUM INTO ?", copied)
	twin := &Farm{t: f.t, Database: copied, Derivations: f.Derivations, Log: new(Log), Clock: f.Clock, change: f.change}
	twin.start()
	return twin
}

func (f *Farm) start() {
	f.t.Helper()
	store, err := datastore.Open(f.t.Context(), f.Database)
	if err != nil {
		f.t.Fatal(err)
	}
	logs, err := buildlog.Open(filepath.Join(filepath.Dir(f.Database), "build-logs"), MaxLogSize)
	if err != nil {
		f.t.Fatal(err)
	}
	conf := coordinator.Config{
		Store: store, Logs: logs, Fetch: f.Derivations.Fetch,
		Outputs:  outputs.New(filepath.Join(filepath.Dir(f.Database), "builds"), MaxOutputSize),
		Settings: coordinator.Settings{Policy: coordinator.Policy{SetupRetry: SetupRetry, MaxSetupRetry: MaxSetupRetry}},
		Now:      f.Clock.Now, Log: slog.New(slog.NewTextHandler(f.Log, nil)),
	}
	if f.change != nil {
		f.change(&conf)
	}
	f.Coordinator, err = coordinator.Open(f.t.Context(), conf)
	if err != nil {
		f.t.Fatal(err)
	}
}

// Close closes the coordinator and its database.
func (f *Farm) Close() {
	f.t.Helper()
	f.Coordinator.Close()
	if err := f.Store.Close(); err != nil {
		f.t.Errorf("close the database: %v", err)
	}
}

// Must fails the test if there is an error.
func (f *Farm) Must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("got the error %v, want none", err)
	}
}

// Added submits a build of a derivation and returns its UUID.
func (f *Farm) Added(drv storepath.Path) string {
	f.t.Helper()
	return f.Submitted(daemon.Submission{Derivation: drv})
}

// Submitted does a submission that must lead to a build, and returns its UUID.
func (f *Farm) Submitted(s daemon.Submission) string {
	f.t.Helper()
	done, err := f.Submit(f.t.Context(), s)
	f.Must(err)
	if done.UUID == "" {
		f.t.Fatalf("submit %s: got no build (%s), want one", s.Derivation, done.Reason)
	}
	return done.UUID
}

// Joined adds an agent and returns its UUID and its password.
func (f *Farm) Joined(name string) (id, password string) {
	f.t.Helper()
	id, err := f.NewAgent(f.t.Context(), "", name, "")
	f.Must(err)
	password, err = f.NewPassword(f.t.Context(), id)
	f.Must(err)
	return id, password
}

// Given has an agent fetch builds for System until it holds n, and returns
// all that it holds.
func (f *Farm) Given(agent string, n int) []string {
	f.t.Helper()
	builds, err := f.FetchBuilds(f.t.Context(), agent, coordinator.Fetch{Systems: []string{System}, Target: n})
	f.Must(err)
	uuids := make([]string, len(builds))
	for i, b := range builds {
		uuids[i] = b.UUID
	}
	return uuids
}

// Ended has an agent report the result of a build.
func (f *Farm) Ended(agent, uuid string, success bool) {
	f.t.Helper()
	f.Must(f.ReportResult(f.t.Context(), agent, uuid, daemon.Result{Success: success, Ended: f.Clock.Now()}))
}

// State is the state of a build.
func (f *Farm) State(uuid string) daemon.State {
	f.t.Helper()
	b, err := f.Coordinator.Build(f.t.Context(), uuid)
	f.Must(err)
	return b.State
}

// UUID is the nth of a row of UUIDs, for tests that choose them.
func UUID(n int) string { return fmt.Sprintf("7bdd2249-1214-431a-aa61-%012d", n) }

// Clock is a clock that goes only when it is told to.
type Clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Log collects what a coordinator says.
type Log struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all that was said.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
