package guixdaemon

import (
	"bytes"
	"strconv"
	"strings"
)

// An Event is one line of the daemon's build trace: what begins with "@ ",
// split at single blanks. Fields can be empty, and the last ones are the words
// of a sentence where the event ends in one.
//
// The daemon (nix/libstore/build.cc) writes, with DRV a derivation and ITEM any
// store item:
//
//	build-started DRV - SYSTEM LOG-FILE PID
//	build-succeeded DRV -
//	build-failed DRV - STATUS TEXT…  |  DRV - timeout  |  DRV - cached
//	hook-failed DRV - STATUS TEXT…
//	hash-mismatch ITEM ALGORITHM EXPECTED ACTUAL
//	substituter-started ITEM substitute
//	substituter-succeeded ITEM
//	substituter-failed ITEM STATUS TEXT…  |  ITEM timeout
//
// Others stand in a builder's output, as a line of their own and, unlike the
// above, easily forged: what the daemon's process says when it is about to
// become the builder, unsupported-platform DRV SYSTEM; and what its helpers say,
// with [Options.PrintExtendedBuildTrace]: download-started, download-progress,
// download-succeeded, download-failed, and build-remote DRV HOST. [ParseEvent]
// finds them there.
type Event struct {
	Name   string
	Fields []string
}

// ParseEvent parses a line without its end, if it is one of the trace.
func ParseEvent(line []byte) (Event, bool) {
	rest, ok := bytes.CutPrefix(line, []byte("@ "))
	if !ok || len(rest) == 0 || rest[0] == ' ' {
		return Event{}, false
	}
	fields := strings.Split(string(rest), " ")
	return Event{Name: fields[0], Fields: fields[1:]}, true
}

func (e Event) String() string {
	return strings.Join(append([]string{"@", e.Name}, e.Fields...), " ")
}

// field is the i-th field, or nothing.
func (e Event) field(i int) string {
	if i < len(e.Fields) {
		return e.Fields[i]
	}
	return ""
}

// text is the sentence that begins with the i-th field.
func (e Event) text(i int) string {
	if i < len(e.Fields) {
		return strings.Join(e.Fields[i:], " ")
	}
	return ""
}

// Started is the content of a build-started event.
type Started struct {
	Derivation string
	System     string
	LogFile    string // on the daemon's machine; empty when it keeps none
	PID        int    // of the builder or the build hook, as the daemon sees it; 0 from old daemons
}

// Started tells whether e says that a build started, and which.
func (e Event) Started() (Started, bool) {
	if e.Name != "build-started" || len(e.Fields) < 4 {
		return Started{}, false
	}
	pid, _ := strconv.Atoi(e.field(4))
	return Started{Derivation: e.Fields[0], System: e.Fields[2], LogFile: e.Fields[3], PID: pid}, true
}

// A Reason says what kind of failure an event reports.
type Reason string

const (
	BuildFailed         Reason = "failed"               // the builder failed or could not start, or its result was rejected
	BuildTimedOut       Reason = "timeout"              // silent for too long, or not done in time, or its log too large
	BuildCached         Reason = "cached"               // it failed before; the daemon keeps failures
	HookFailed          Reason = "hook-failed"          // offloading failed, the build did not
	HashMismatch        Reason = "hash-mismatch"        // a fixed output or a substitute is not what was promised
	UnsupportedPlatform Reason = "unsupported-platform" // the derivation is for another system
	SubstituterFailed   Reason = "substituter-failed"   // a substitute could not be had
)

// A Failure is the content of an event that reports one.
type Failure struct {
	Reason Reason
	Item   string // the derivation, or for HashMismatch and SubstituterFailed the store item
	Text   string // the daemon's words; can be empty
}

// Failure tells whether e reports a failure, and which. One failed build can
// cause two: after HashMismatch and UnsupportedPlatform, which know more,
// follows a BuildFailed. That a builder exits with an error is seen in the text
// only ("failed with exit code 1"): the status in the trace is the daemon's.
// A failed [Check], and a builder that could not even be prepared, are told by
// the operation's [Error] alone.
func (e Event) Failure() (Failure, bool) {
	f := Failure{Item: e.field(0)}
	switch e.Name {
	case "build-failed":
		switch e.field(2) {
		case "timeout":
			f.Reason = BuildTimedOut
		case "cached":
			f.Reason = BuildCached
		default:
			f.Reason, f.Text = BuildFailed, e.text(3)
		}
	case "hook-failed":
		f.Reason, f.Text = HookFailed, e.text(3)
	case "hash-mismatch":
		f.Reason = HashMismatch
		f.Text = "expected " + e.field(1) + " hash " + e.field(2) + ", got " + e.field(3)
	case "unsupported-platform":
		f.Reason, f.Text = UnsupportedPlatform, "for "+e.field(1)
	case "substituter-failed":
		f.Reason, f.Text = SubstituterFailed, e.text(2)
		if e.field(1) == "timeout" {
			f.Text = "timed out"
		}
	default:
		return Failure{}, false
	}
	return f, f.Item != ""
}
