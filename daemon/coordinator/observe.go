package coordinator

import (
	"io"
	"time"
)

// An Observer counts what happens. Its methods are called after the commit of
// what they tell, must not call the coordinator, and return at once.
type Observer interface {
	// Submitted tells of a build, SubmissionTook of a request for builds.
	Submitted(system string)
	SubmissionTook(time.Duration)
	// Allocated tells of builds that an agent was given.
	Allocated(agent string, builds int)
	Ended(agent, system string, success bool)
	SetupFailed(agent, reason string)
	// Committed tells how long a transaction took, and whether it failed.
	Committed(took time.Duration, changes int, failed bool)
	// LogReceived tells of bytes of a log as an agent sent them.
	LogReceived(bytes int64)
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Submitted(string)                   {}
func (nobody) SubmissionTook(time.Duration)       {}
func (nobody) Allocated(string, int)              {}
func (nobody) Ended(string, string, bool)         {}
func (nobody) SetupFailed(string, string)         {}
func (nobody) Committed(time.Duration, int, bool) {}
func (nobody) LogReceived(int64)                  {}

// countedLog tells the observer what is read of a log.
type countedLog struct {
	io.Reader
	observer Observer
}

func (l countedLog) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	l.observer.LogReceived(int64(n))
	return n, err
}
