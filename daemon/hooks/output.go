package hooks

import (
	"bytes"
	"strings"
)

const (
	maxTail   = maxText - 128 // of the output, in a failure's text
	maxLine   = 1024          // in the log; the rest of a longer line is another line
	maxLogged = 64 << 10      // of one run's output
)

// output is what a program says: line by line for the log, and its end for
// the failure's text.
type output struct {
	say  func(line string)
	left int // how much more is logged
	line []byte
	tail []byte
}

func (o *output) Write(p []byte) (int, error) {
	n := len(p)
	o.tail = append(o.tail, p[max(0, n-maxTail):]...)
	o.tail = append(o.tail[:0], o.tail[max(0, len(o.tail)-maxTail):]...)
	for len(p) > 0 && o.left > 0 {
		part := p[:min(len(p), maxLine-len(o.line))]
		end := bytes.IndexByte(part, '\n')
		if end >= 0 {
			part = part[:end]
		}
		o.line = append(o.line, part...)
		p = p[len(part):]
		if end >= 0 {
			p = p[1:]
		}
		if end >= 0 || len(o.line) == maxLine {
			o.flush()
		}
	}
	return n, nil
}

func (o *output) flush() {
	o.left -= len(o.line) + 1
	o.say(strings.ToValidUTF8(string(o.line), "\uFFFD"))
	o.line = o.line[:0]
	if o.left <= 0 {
		o.say("(the rest of the output is not logged)")
	}
}

// end logs what is left and returns the end of the output.
func (o *output) end() string {
	if len(o.line) > 0 && o.left > 0 {
		o.flush()
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(o.tail), ""))
}
