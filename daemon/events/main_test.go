package events_test

import (
	"flag"
	"log/slog"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Each case opens a database: fewer than usual, unless somebody asks for more.
	checks := flag.Lookup("rapid.checks")
	if checks.Value.String() == checks.DefValue {
		checks.Value.Set("30")
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // requests that fail are logged
	os.Exit(m.Run())
}
