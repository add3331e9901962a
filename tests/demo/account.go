package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/account"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// collection is what the team's packages are called together.
const collection = "demo-team"

// account makes the packages a collection, which the farm is asked for later,
// too, and shows the report on it. It must come to the same as the builds.
func (f *farm) account(ctx context.Context, out *screen, p *place, drvs map[string]*toy.Drv) error {
	list := make([]string, len(team))
	for i, one := range team {
		list[i] = string(drvs[one.name].Path)
	}
	file := filepath.Join(p.dir, "team.drvs")
	if err := os.WriteFile(p.path(file), []byte(strings.Join(list, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	out.say("A collection is evaluated again and again, so that one sees since when what",
		"fails. This one's derivations stand in a file; guix or a data service can", "compute them, too.", "")
	for _, args := range [][]string{
		{"collection", "add", "--file=" + file, collection},
		{"collection", "update", collection},
		{"report", collection},
	} {
		if err := f.tbfg(ctx, out, args...); err != nil {
			return err
		}
	}
	text, err := f.client.Report(ctx, collection, url.Values{})
	if err != nil {
		return err
	}
	var a account.Account
	if err := json.Unmarshal(text, &a); err != nil {
		return err
	}
	return errors.Join(checkAccount(team, &a)...)
}

// checkAccount compares a report with what is foreseen.
func checkAccount(packages []pkg, a *account.Account) (errs []error) {
	states := map[daemon.State]account.State{daemon.Succeeded: account.Builds, daemon.Failed: account.Fails, daemon.Blocked: account.Blocked}
	got := make(map[string]string)
	for _, row := range a.Packages {
		var by []string
		for _, i := range row.BlockedBy {
			by = append(by, a.Failures[i].Name)
		}
		slices.Sort(by)
		got[row.Package] = fmt.Sprintf("%s by %q", row.State, by)
	}
	for name, o := range foresee(packages) {
		if want := fmt.Sprintf("%s by %q", states[o.state], o.by); got[name] != want {
			errs = append(errs, fmt.Errorf("%s: the report says %s, want %s", name, got[name], want))
		}
	}
	return errs
}
