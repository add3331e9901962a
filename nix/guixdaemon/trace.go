package guixdaemon

import (
	"bytes"
	"strconv"
)

// maxEventLine is the longest line that is taken for an event, and what a Trace
// holds at most. Daemons write file names and a sentence.
const maxEventLine = 64 << 10

// A Trace takes a connection's log text apart; hand it to [Conn.SetLog]. The
// text may come cut anywhere. What belongs to a function that is nil is
// discarded; an error of a function is returned from Write, once and for all.
// The slices are valid during the call only.
//
// Options.PrintBuildTrace and Options.MultiplexedBuildOutput must be set. Then
// builders' output is framed and can contain anything without being mistaken
// for the daemon's words. A daemon that does not multiplex
// ([Conn.Multiplexes]) needs Plain, and then a builder can forge events and
// hide one behind an unfinished line.
//
// What is neither an event nor a builder's output is the daemon's own text, or
// that of its substituters, which show progress by carriage returns; those
// therefore end a line as well.
type Trace struct {
	// BuildLog receives a piece of the output of the builder that a
	// build-started event announced with this PID; 0 if Plain. With
	// Options.PrintExtendedBuildTrace lines of it may be download events.
	BuildLog func(pid int, p []byte) error

	Event func(Event) error
	Text  func(p []byte) error

	// Plain takes all that is not an event for builders' output.
	Plain bool

	state traceState
	line  []byte // the line so far, while it may become an event
	pid   int    // of the frame
	left  int64  // bytes of the frame still to come
	err   error  // the first error
}

type traceState int

const (
	atLineStart traceState = iota // in a line that may be an event
	inText                        // in a line that is not
	inFrame                       // in a builder's output
)

// Write consumes a piece of the log.
func (t *Trace) Write(p []byte) (n int, err error) {
	for n < len(p) && t.err == nil {
		var used int
		switch t.state {
		case atLineStart:
			used, t.err = t.lineStart(p[n:])
		case inText:
			used, t.err = t.text(p[n:])
		case inFrame:
			used, t.err = t.frame(p[n:])
		}
		n += used
	}
	return n, t.err
}

// Flush is for the end of the log: what looked like the beginning of an event
// was text. Afterwards the Trace is ready for another log.
func (t *Trace) Flush() error {
	rest := t.line
	t.line, t.state = t.line[:0], atLineStart
	if len(rest) > 0 && t.err == nil {
		t.err = t.plain(rest)
	}
	return t.err
}

// lineStart collects a line as long as it can become an event.
func (t *Trace) lineStart(p []byte) (int, error) {
	if have := len(t.line); have < 2 {
		if p[0] == "@ "[have] {
			t.line = append(t.line, p[0])
			return 1, nil
		}
		return 0, t.giveUp()
	}
	end := bytes.IndexAny(p, "\r\n")
	piece := p
	if end >= 0 {
		piece = p[:end]
	}
	if len(t.line)+len(piece) > maxEventLine {
		return 0, t.giveUp()
	}
	t.line = append(t.line, piece...)
	if end < 0 {
		return len(piece), nil
	}
	if t.startFrame() {
		t.line = t.line[:0]
		return end + 1, nil
	}
	event, ok := ParseEvent(t.line)
	if !ok || event.Name == "build-log" || t.Plain && !plainEvents[event.Name] {
		// The end of the line is left to be consumed as text.
		return end, t.giveUp()
	}
	t.line = t.line[:0]
	if t.Event == nil {
		return end + 1, nil
	}
	return end + 1, t.Event(event)
}

// plainEvents are those that a Plain trace believes in. Other lines of that form
// are taken for what builders wrote: better a log with a stray event than one
// that lacks lines.
var plainEvents = map[string]bool{
	"build-started": true, "build-succeeded": true, "build-failed": true,
	"hook-failed": true, "hash-mismatch": true, "unsupported-platform": true,
	"substituter-started": true, "substituter-succeeded": true, "substituter-failed": true,
}

// giveUp passes on what turned out to be no event.
func (t *Trace) giveUp() error {
	line := t.line
	t.line, t.state = t.line[:0], inText
	if len(line) == 0 {
		return nil
	}
	return t.plain(line)
}

// startFrame tells whether the line is "@ build-log PID LENGTH".
func (t *Trace) startFrame() bool {
	f := bytes.Split(t.line, []byte(" "))
	if t.Plain || len(f) != 4 || string(f[1]) != "build-log" {
		return false
	}
	pid, err := strconv.ParseUint(string(f[2]), 10, 31)
	if err != nil {
		return false
	}
	left, err := strconv.ParseUint(string(f[3]), 10, 63)
	if err != nil || left > maxLog {
		return false
	}
	t.pid, t.left = int(pid), int64(left)
	if left > 0 {
		t.state = inFrame
	}
	return true
}

// text passes a line on up to its end.
func (t *Trace) text(p []byte) (int, error) {
	if end := bytes.IndexAny(p, "\r\n"); end >= 0 {
		p = p[:end+1]
		t.state = atLineStart
	}
	return len(p), t.plain(p)
}

// frame passes on what is there of a builder's output. After it stands a line
// start, whatever the output ended with.
func (t *Trace) frame(p []byte) (int, error) {
	p = p[:min(int64(len(p)), t.left)]
	t.left -= int64(len(p))
	if t.left == 0 {
		t.state = atLineStart
	}
	if t.BuildLog == nil {
		return len(p), nil
	}
	return len(p), t.BuildLog(t.pid, p)
}

// plain passes on text that is neither event nor framed.
func (t *Trace) plain(p []byte) error {
	switch {
	case t.Plain && t.BuildLog != nil:
		return t.BuildLog(0, p)
	case !t.Plain && t.Text != nil:
		return t.Text(p)
	}
	return nil
}
