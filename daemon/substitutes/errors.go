package substitutes

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// ErrUnavailable is in the chain of errors that may go away by themselves.
var ErrUnavailable = errors.New("unavailable")

// A NotFoundError says that every server has been asked and none has the
// item.
type NotFoundError struct {
	Path storepath.Path
	URLs []string // the servers, passwords left out
}

func (e *NotFoundError) Error() string {
	if len(e.URLs) == 0 {
		return fmt.Sprintf("fetch %s: there is no substitute URL to ask", e.Path)
	}
	return fmt.Sprintf("fetch %s: not found at %s", e.Path, strings.Join(e.URLs, ", "))
}

// A FetchError says why an item could not be had from any server, each of
// them for a reason of its own. For at least one it is not that the item was
// not found. It wraps ErrUnavailable if one of the reasons does.
type FetchError struct {
	Path     storepath.Path
	Failures []error // one for each server that was asked, starting with the URL
}

func (e *FetchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "fetch %s: ", e.Path)
	for i, failure := range e.Failures {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(failure.Error())
	}
	return b.String()
}

// Unwrap makes errors.Is and errors.As look at all reasons.
func (e *FetchError) Unwrap() []error { return e.Failures }

// errNotFound is the failure of a server that does not have the item.
var errNotFound = errors.New("not found")

// outcome is the error of a fetch for which every server has failed.
func outcome(p storepath.Path, urls []string, failures []error) error {
	for _, failure := range failures {
		if !errors.Is(failure, errNotFound) {
			return &FetchError{p, failures}
		}
	}
	e := &NotFoundError{Path: p}
	for _, raw := range urls {
		if u, err := url.Parse(raw); err == nil {
			e.URLs = append(e.URLs, u.Redacted())
		}
	}
	return e
}

// at says where an error happened. Passwords in the URL are left out.
func at(u *url.URL, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", u.Redacted(), err)
}

// unavailable marks an error as one that may go away by itself.
func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }
