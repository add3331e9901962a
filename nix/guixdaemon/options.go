package guixdaemon

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Options are what a client may choose about the builds and substitutions that
// it asks for on one connection (set-build-options of guix/store.scm).
//
// The zero value builds on the daemon's machine only, with the daemon's own
// limits, and fetches nothing. For numbers and durations zero leaves the
// choice to the daemon; a negative value sends the daemon a zero, whose
// meaning stands with the field. Durations are sent in whole seconds, rounded
// up.
type Options struct {
	KeepFailed bool // keep the build directories of failed builds
	KeepGoing  bool // after a failure finish the independent builds
	Fallback   bool // build what a substitute could not be had for

	// Verbosity is that of the daemon's own words, from 0, errors only, to
	// 5, everything. Builders' output is sent when BuildVerbosity is no
	// greater than it.
	Verbosity      int
	BuildVerbosity int

	MaxBuildJobs  int           // builds at once; negative: none but offloaded ones
	BuildCores    int           // processors for one build; negative: as many as there are
	MaxSilentTime time.Duration // how long a builder may write nothing; negative: for ever
	Timeout       time.Duration // how long a build may take; negative: for ever

	Offload        bool // let the daemon build on other machines, if it knows any
	UseSubstitutes bool // fetch what can be fetched

	// SubstituteURLs replaces the daemon's list of substitute servers,
	// unless it is nil. From clients other than root the daemon takes it
	// too: substitutes are authenticated by signature.
	SubstituteURLs []string

	// PrintBuildTrace makes the daemon report what it does in lines of the
	// log that begin with "@ ", and PrintExtendedBuildTrace adds downloads.
	// MultiplexedBuildOutput makes it frame builders' output, so that it
	// can be told from all else; see [Conn.Multiplexes] and [Trace].
	PrintBuildTrace         bool
	PrintExtendedBuildTrace bool
	MultiplexedBuildOutput  bool

	// Rounds is how often to build each derivation; the build fails when
	// results differ. 0 leaves it to the daemon, 1 is once.
	Rounds int

	// For messages and progress bars of the daemon's helpers. Empty, they
	// are not sent.
	UserName        string
	TerminalColumns int
	Locale          string
}

// SetOptions sets the options of this connection, all of them: those of an
// earlier call that are zero now return to what set-options sends for them.
// Settings that are left to the daemon are the exception: once sent, they stay.
func (c *Conn) SetOptions(ctx context.Context, o Options) error {
	return c.call(ctx, "set-options", opSetOptions, args(func(e encoder) {
		// Before 0x61 some settings were fixed fields, which cannot be
		// left out: those get the defaults of the Guile client. Its
		// default for processors is all.
		inline := c.minor() < 0x61

		e.bool(o.KeepFailed)
		e.bool(o.KeepGoing)
		e.bool(o.Fallback)
		e.uint(uint64(max(o.Verbosity, 0)))
		if inline {
			e.uint(orDefault(int64(o.MaxBuildJobs), 1))
			e.uint(orDefault(seconds(o.MaxSilentTime), 3600))
		}
		e.bool(o.Offload)
		e.uint(uint64(max(o.BuildVerbosity, 0)))
		e.uint(0) // log type: plain
		e.bool(o.PrintBuildTrace)
		if inline {
			e.uint(orDefault(int64(o.BuildCores), 0))
		}
		e.bool(o.UseSubstitutes)

		pairs := o.pairs()
		e.uint(uint64(len(pairs)))
		for _, p := range pairs {
			e.string(p.name)
			e.string(p.value)
		}
	}), nil)
}

type pair struct{ name, value string }

// pairs are the settings by name, in the Guile client's order. A daemon
// ignores those it does not know.
func (o Options) pairs() (list []pair) {
	add := func(name, value string) { list = append(list, pair{name, value}) }
	number := func(name string, n int64) {
		if n != 0 {
			add(name, strconv.FormatInt(max(n, 0), 10))
		}
	}
	if o.PrintBuildTrace {
		extended := "0"
		if o.PrintExtendedBuildTrace {
			extended = "1"
		}
		add("print-extended-build-trace", extended)
	}
	if o.MultiplexedBuildOutput {
		add("multiplexed-build-output", "true")
	}
	number("build-timeout", seconds(o.Timeout))
	number("build-max-silent-time", seconds(o.MaxSilentTime))
	number("build-max-jobs", int64(o.MaxBuildJobs))
	number("build-cores", int64(o.BuildCores))
	if o.SubstituteURLs != nil {
		add("substitute-urls", strings.Join(o.SubstituteURLs, " "))
	}
	if o.Rounds != 0 {
		add("build-repeat", strconv.Itoa(max(o.Rounds-1, 0)))
	}
	if o.UserName != "" {
		add("user-name", o.UserName)
	}
	if o.TerminalColumns > 0 {
		add("terminal-columns", strconv.Itoa(o.TerminalColumns))
	}
	if o.Locale != "" {
		add("locale", o.Locale)
	}
	return list
}

// orDefault is n as a fixed field wants it.
func orDefault(n int64, def uint64) uint64 {
	if n == 0 {
		return def
	}
	return uint64(max(n, 0))
}

// seconds rounds away from zero, lest a short limit become none.
func seconds(d time.Duration) int64 {
	n := int64(d / time.Second)
	switch rest := d % time.Second; {
	case rest > 0:
		n++
	case rest < 0:
		n--
	}
	return n
}
