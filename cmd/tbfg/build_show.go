package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

func buildShow(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	b, err := client(c).Build(c.Context, args[0])
	if err != nil {
		return fmt.Errorf("cannot show the build: %w", err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, b)
	}
	printBuild(c.App.Writer, b, namesOf(c, slices.Concat(b.BlockedBy, b.WaitsFor)))
	return nil
}

// maxNames is how many builds "build show" asks for besides the one.
const maxNames = 20

// namesOf finds what the first builds of a list are called, each after a blank.
// To know that is nice only: an error leaves them nameless.
func namesOf(c *cli.Context, uuids []string) map[string]string {
	client, names := client(c), make(map[string]string)
	for _, uuid := range uuids {
		if _, known := names[uuid]; known {
			continue
		}
		if len(names) == maxNames {
			break
		}
		b, err := client.Build(c.Context, uuid)
		if err != nil {
			break
		}
		names[uuid] = " " + packageName(b.Derivation)
	}
	return names
}

func printBuild(w io.Writer, b wire.BuildDetail, names map[string]string) {
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", label+":", fmt.Sprintf(format, args...))
	}
	line("build", "%s", b.UUID)
	line("derivation", "%s", b.Derivation)
	line("system", "%s", b.System)
	line("state", "%s", b.State)
	line("priority", "%d", b.Priority)
	line("submitted", "%s", stamp(b.Created))
	if !b.Deferred.IsZero() {
		line("not before", "%s", stamp(b.Deferred))
	}
	for _, t := range b.Tags {
		line("tag", "%s=%s", t.Key, t.Value)
	}
	for _, uuid := range b.BlockedBy {
		line("blocked by", "%s%s", uuid, names[uuid])
	}
	for _, uuid := range b.WaitsFor {
		line("waits for", "%s%s", uuid, names[uuid])
	}
	for _, f := range b.SetupFailures {
		line("no set-up", "%s %s, agent %s", stamp(f.Time), f.Reason, f.Agent)
		for _, path := range f.MissingInputs {
			fmt.Fprintf(w, "    %s\n", path)
		}
		if f.Details != "" {
			fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(strings.TrimSpace(f.Details), "\n", "\n    "))
		}
	}
	for _, s := range b.Starts {
		line("started", "%s, agent %s", stamp(s.Time), s.Agent)
	}
	if !b.Ended.IsZero() {
		line("ended", "%s", stamp(b.Ended))
	}
	if b.FailureReason != "" {
		line("reason", "%s", strings.ReplaceAll(strings.TrimSpace(b.FailureReason), "\n", "\n             "))
	}
	for _, o := range b.Outputs {
		line("output", "%s %s", o.Name, o.Path)
		if o.Hash != "" {
			fmt.Fprintf(w, "    %s, %d bytes, %d references\n", o.Hash, o.Size, len(o.References))
		}
	}
}

func stamp(t wire.Time) string { return t.UTC().Format(time.DateTime) }
