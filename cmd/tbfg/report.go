package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon/account"
	reports "codeberg.org/tbfg/tbfg/daemon/report"

	"github.com/urfave/cli/v2"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "tell what of a collection builds and what fails, since when",
		ArgsUsage: "NAME",
		Description: `Without options it is a table of what does not build, and of what was
fixed. "tbfg collection" says what collections are. The log endpoint shows
the same as a page, at /report/NAME.

For scripts: --fail-on makes the exit status 1 if there is such a package.

   tbfg report --only=broken --fail-on=broken science`,
		Flags: []cli.Flag{coordinatorFlag(), jsonFlag(),
			&cli.BoolFlag{Name: "csv", Usage: "print a table for other programs"},
			&cli.StringFlag{Name: "html", Usage: "write a page, with feed and badge, into `DIRECTORY`, to be published"},
			&cli.StringFlag{Name: "builds-url", Usage: "`URL` below which the pages of builds are, for links on that page"},
			&cli.StringFlag{Name: "since", Usage: "broken and fixed since `REVISION` or evaluation number", DefaultText: "the evaluation before"},
			&cli.StringFlag{Name: "system", Usage: "only packages for `SYSTEM`"},
			&cli.StringFlag{Name: "only", Usage: "only packages that are `WHAT`: " + strings.Join(reports.Selections, ", ")},
			&cli.StringFlag{Name: "fail-on", Usage: "exit with status 1 if packages are `WHAT`, as for --only"}},
		Action: reportAction,
	}
}

func reportAction(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	for _, flag := range []string{"only", "fail-on"} {
		if what := c.String(flag); what != "" && !slices.Contains(reports.Selections, what) {
			return usagef("--%s must be one of %s, not %q", flag, strings.Join(reports.Selections, ", "), what)
		}
	}
	if c.Bool("json") && c.Bool("csv") {
		return usagef("there is either --json or --csv")
	}
	query := url.Values{}
	for _, flag := range []string{"since", "system"} {
		if c.IsSet(flag) {
			query.Set(flag, c.String(flag))
		}
	}
	text, err := client(c).Report(c.Context, args[0], query)
	if err != nil {
		return fmt.Errorf("cannot report: %w", err)
	}
	var a account.Account
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("cannot report: the coordinator's answer makes no sense: %w", err)
	}
	if err := printReport(c, &a); err != nil {
		return err
	}
	if what := c.String("fail-on"); what != "" {
		if such, err := reports.Choose(&a, what); err != nil || len(such) > 0 {
			return errQuiet
		}
	}
	return nil
}

func printReport(c *cli.Context, a *account.Account) error {
	if dir := c.String("html"); dir != "" {
		if err := reports.Static(dir, a, c.String("builds-url")); err != nil {
			return fmt.Errorf("cannot write the report: %w", err)
		}
		return nil
	}
	packages, err := reports.Choose(a, c.String("only"))
	if err != nil {
		return err
	}
	switch {
	case c.Bool("json"):
		if c.IsSet("only") {
			a.Packages = packages
		}
		return printJSON(c.App.Writer, a)
	case c.Bool("csv"):
		if !c.IsSet("only") {
			packages = a.Packages
		}
		return reports.CSV(c.App.Writer, a, packages)
	}
	return reports.Text(c.App.Writer, a, packages)
}
