package derivation

import (
	"fmt"
	"strings"
)

// A scanner reads the tokens of an ATerm from the front: literal characters,
// strings and lists. What they mean is the parser's business.
//
// The first error stays, and from then on every method returns at once with
// nothing, so that a parser reads straight on and looks at err in the end.
//
// The scanner accepts one spelling of each string, the one that is printed:
// then what has been read can be printed again byte for byte.
type scanner struct {
	text string
	at   int // offset of the next byte
	err  error

	// Up to here, once counted from at, no character needs a second look:
	// the first control character of the text, and the next backslash.
	control, backslash int

	blind bool // strings with escapes are checked, and come out empty
}

func newScanner(text string) scanner {
	s := scanner{text: text, control: len(text), backslash: -1}
	for _, c := range []byte(controls) {
		if i := strings.IndexByte(text[:s.control], c); i >= 0 {
			s.control = i
		}
	}
	return s
}

// fail records the first error, at the given offset.
func (s *scanner) fail(at int, format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("offset %d: %w", at, fmt.Errorf(format, args...))
	}
}

// expect reads the literal characters of token.
func (s *scanner) expect(token string) {
	if s.err != nil {
		return
	}
	if rest := s.text[s.at:]; !strings.HasPrefix(rest, token) {
		s.fail(s.at, "want %q, not %q", token, rest[:min(len(rest), len(token)+8)])
		return
	}
	s.at += len(token)
}

// end checks that nothing is left.
func (s *scanner) end() {
	if s.err == nil && s.at < len(s.text) {
		s.fail(s.at, "%d bytes too many", len(s.text)-s.at)
	}
}

// list reads "[", items with commas between, and "]". It is ranged over; the
// body of the loop reads one item.
func (s *scanner) list(yield func() bool) {
	s.expect("[")
	if s.err == nil && s.at < len(s.text) && s.text[s.at] == ']' {
		s.at++
		return
	}
	for s.err == nil {
		if !yield() || s.err != nil {
			return
		}
		if s.at < len(s.text) && s.text[s.at] == ']' {
			s.at++
			return
		}
		s.expect(",")
	}
}

// controls are the characters that stand in no string as they are. NUL is
// one: the daemon would end the string there.
const controls = "\x00\n\r\t"

// special marks the bytes that do not stand for themselves in a string.
var special = [256]bool{0: true, '"': true, '\\': true, '\n': true, '\r': true, '\t': true}

// quoted reads a string. Without escapes it shares the memory of the text.
func (s *scanner) quoted() string {
	if s.err != nil || s.at == len(s.text) || s.text[s.at] != '"' {
		s.expect(`"`)
		return ""
	}
	s.at++
	if s.backslash < s.at {
		s.backslash = len(s.text)
		if i := strings.IndexByte(s.text[s.at:], '\\'); i >= 0 {
			s.backslash = s.at + i
		}
	}
	// Nearly all strings are plain, and many are long: searching is several
	// times faster than looking at each byte.
	start := s.at
	if n := strings.IndexByte(s.text[start:], '"'); n >= 0 && start+n < min(s.backslash, s.control) {
		s.at += n + 1
		return s.text[start : start+n]
	}
	return s.escaped()
}

// escaped reads the rest of a string that may have escapes.
func (s *scanner) escaped() string {
	start := s.at
	s.plain()
	var b strings.Builder
	for s.err == nil {
		if !s.blind {
			b.WriteString(s.text[start:s.at])
		}
		switch {
		case s.at == len(s.text):
			s.fail(s.at, "the text ends within a string")
		case s.text[s.at] == '"':
			s.at++
			return b.String()
		default:
			if c := s.escape(); !s.blind {
				b.WriteByte(c)
			}
			start = s.at
			s.plain()
		}
	}
	return ""
}

// plain skips the bytes that stand for themselves.
func (s *scanner) plain() {
	for s.at < len(s.text) && !special[s.text[s.at]] {
		s.at++
	}
}

// escape reads a backslash and what it makes of the character after it.
func (s *scanner) escape() byte {
	rest := s.text[s.at:]
	if rest[0] != '\\' {
		s.fail(s.at, "the character %q stands in a string unescaped", rest[0])
		return 0
	}
	if len(rest) > 1 {
		s.at += 2
		switch rest[1] {
		case '"', '\\':
			return rest[1]
		case 'n':
			return '\n'
		case 'r':
			return '\r'
		case 't':
			return '\t'
		}
		s.at -= 2
	}
	s.fail(s.at, "unknown escape %q", rest[:min(len(rest), 2)])
	return 0
}
