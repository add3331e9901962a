package doctor

import (
	"fmt"
	"time"
)

// Level is how a finding is.
type Level string

const (
	Fine  Level = "ok"   // as it should be
	Doubt Level = "warn" // the farm works, but not as well as it could, or it could not be found out
	Wrong Level = "FAIL" // the farm cannot do its work
)

// A Finding is what came of a check.
type Finding struct {
	Level Level  `json:"level"`
	Check string `json:"check"`        // what was looked at, in a word or two
	Found string `json:"found"`        // what is there, in a sentence
	Do    string `json:"do,omitempty"` // what to do about it, for all that is not fine
}

// limit is how long one question to a server may take.
const limit = 10 * time.Second

func fine(check, format string, args ...any) Finding {
	return Finding{Fine, check, fmt.Sprintf(format, args...), ""}
}

func doubt(check, found, do string) Finding { return Finding{Doubt, check, found, do} }

func wrong(check, found, do string) Finding { return Finding{Wrong, check, found, do} }
