package daemon

import (
	"errors"
	"fmt"
)

// A Code classifies an error for whoever asked. Errors without a code are
// the farm's own trouble: the operator's log has them whole, the caller is
// told only that something went wrong inside.
type Code string

// The codes, and the HTTP status that the APIs give them.
const (
	Invalid     Code = "invalid"     // 400: the request makes no sense
	Denied      Code = "denied"      // 403: wrong or missing credentials, or not yours
	NotFound    Code = "not_found"   // 404: no such build, agent, …
	Conflict    Code = "conflict"    // 409: contradicts what is there
	TooLarge    Code = "too_large"   // 413: beyond a limit
	Unavailable Code = "unavailable" // 503: cannot now, try again
	Processed   Code = "processed"   // 400: the build already has another result
)

// An Error is an error with a code. Its text is meant for the caller.
type Error struct {
	Code Code
	Text string
}

func (e *Error) Error() string { return e.Text }

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// CodeOf is the code of the first Error in err's chain, or empty.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
