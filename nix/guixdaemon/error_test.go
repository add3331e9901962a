package guixdaemon

import "testing"

func TestMessagesAreCleaned(t *testing.T) {
	for in, want := range map[string]string{
		"build of `x' failed\n":            "build of `x' failed",
		"two\nlines\r\n\n":                 "two\nlines",
		"\x1b[31;1merror:\x1b[0m no\x1b[K": "error: no",
		"\x1b[1;2":                         "",
		"\x1b[\x1b[31mred":                 "red",
		"\x1b[3é":                          "é",
		"lone \x1b escape":                 "lone  escape",
		"not UTF-8: \xff":                  "not UTF-8: \xff",
	} {
		if got := stripEscapes(in); daemonError(in, 1).Message != want && want != "" {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got, want := daemonError("\n", 7).Message, "failed without a message (status 7)"; got != want {
		t.Errorf("no message: got %q, want %q", got, want)
	}
}
