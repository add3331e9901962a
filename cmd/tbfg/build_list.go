package main

import (
	"fmt"
	"os"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

func buildListCommand() *cli.Command {
	return &cli.Command{
		Name:   "list",
		Usage:  "list builds, oldest first",
		Action: buildList,
		Flags: append([]cli.Flag{coordinatorFlag(), jsonFlag(),
			&cli.BoolFlag{Name: "processed", Usage: "only those that ended; --processed=false: only the others"},
			&cli.BoolFlag{Name: "canceled", Usage: "only canceled ones; --canceled=false: only the others"},
			&cli.StringFlag{Name: "result", Usage: "only those that came to `RESULT`, success or failure"},
			&cli.StringFlag{Name: "output", Usage: "only those that could make the store item `PATH`"},
			&cli.StringFlag{Name: "after-id", Usage: "only those submitted after the build `UUID`"},
			&cli.IntFlag{Name: "limit", Usage: "at most `NUMBER` of them", DefaultText: "all"}}, filterFlags()...),
	}
}

// builds collects the builds that the options choose.
func builds(c *cli.Context) ([]wire.Build, error) {
	if c.Int("limit") < 0 {
		return nil, usagef("--limit must not be negative")
	}
	query, err := filterQuery(c)
	if err != nil {
		return nil, err
	}
	for _, flag := range []string{"processed", "canceled"} {
		if c.IsSet(flag) {
			query.Set(flag, fmt.Sprint(c.Bool(flag)))
		}
	}
	for flag, parameter := range map[string]string{"result": "result", "output": "output", "after-id": "after_id"} {
		if c.IsSet(flag) {
			query.Set(parameter, c.String(flag))
		}
	}
	list := []wire.Build{}
	err = client(c).Builds(c.Context, query, c.Int("limit"), func(b wire.Build) error {
		list = append(list, b)
		return nil
	})
	if err != nil {
		err = fmt.Errorf("cannot list the builds: %w", err)
	}
	return list, err
}

func buildList(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	list, err := builds(c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, list)
	}
	room := nameRoom()
	for _, b := range list {
		fmt.Fprintf(c.App.Writer, "%s  %-9s  %s\n", b.UUID, b.State, clip(packageName(b.Derivation), room))
	}
	return nil
}

// packageName is what people call a derivation: its file's name without hash
// and ending.
func packageName(p storepath.Path) string { return strings.TrimSuffix(p.Name(), ".drv") }

// nameRoom is how many characters a name may have in a line after UUID and
// state: as many as the terminal has, and all of them elsewhere.
func nameRoom() int {
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}
	return max(10, width-len("7bdd2249-1214-431a-aa61-de4d907f1b32  succeeded  "))
}

// clip shortens a text to n characters; zero leaves it as it is.
func clip(s string, n int) string {
	if n > 0 && len(s) > n {
		return s[:n-1] + "…"
	}
	return s
}
