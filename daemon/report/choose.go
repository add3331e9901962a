package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon/account"
)

// Selections are what a report can be reduced to, by the words that people use.
var Selections = []string{"failing", "blocked", "broken", "fixed", "not-evaluated", "waiting", "builds", "all"}

// Choose returns the packages of an account that a selection names. Without one
// they are those of which there is something to say: all that do not build, and
// what was fixed.
func Choose(a *account.Account, only string) ([]account.Package, error) {
	var wanted func(p *account.Package) bool
	switch only {
	case "":
		wanted = func(p *account.Package) bool { return !p.State.Good() || p.Change != "" }
	case "all":
		wanted = func(*account.Package) bool { return true }
	case "failing":
		wanted = func(p *account.Package) bool { return p.State == account.Fails }
	case "broken", "fixed":
		wanted = func(p *account.Package) bool { return string(p.Change) == only }
	default:
		if !slices.Contains(Selections, only) {
			return nil, fmt.Errorf("%q selects nothing; what does is %s", only, strings.Join(Selections, ", "))
		}
		wanted = func(p *account.Package) bool { return string(p.State) == only }
	}
	list := []account.Package{}
	for i := range a.Packages {
		if wanted(&a.Packages[i]) {
			list = append(list, a.Packages[i])
		}
	}
	return list, nil
}

// order is how packages are listed: by state, and by name.
var order = map[account.State]int{account.Fails: 0, account.Blocked: 1, account.NotEvaluated: 2, account.Waiting: 3, account.Builds: 4}

func sorted(packages []account.Package) []account.Package {
	list := slices.Clone(packages)
	slices.SortStableFunc(list, func(x, y account.Package) int {
		return cmp.Or(order[x.State]-order[y.State], strings.Compare(x.Package, y.Package), strings.Compare(x.System, y.System),
			strings.Compare(x.Target, y.Target))
	})
	return list
}

// words are what states are called where there is little room.
var words = map[account.State]string{account.Builds: "builds", account.Fails: "fails", account.Blocked: "blocked",
	account.NotEvaluated: "no derivation", account.Waiting: "waiting"}

// short is the beginning of a revision that people know it by.
func short(revision string) string {
	parts := strings.Split(revision, "+")
	for i, p := range parts {
		parts[i] = p[:min(len(p), 12)]
	}
	return strings.Join(parts, "+")
}

// why says of a package what its state leaves open.
func why(a *account.Account, p *account.Package) string {
	switch p.State {
	case account.Blocked:
		names := make([]string, len(p.BlockedBy))
		for i, f := range p.BlockedBy {
			names[i] = a.Failures[f].Name
		}
		return "by " + strings.Join(names, ", ")
	case account.NotEvaluated:
		line, _, _ := strings.Cut(p.Error, "\n")
		return line
	case account.Fails:
		if p.LastGood == 0 {
			return "never built"
		}
		return "last good " + short(a.At(p.LastGood).Revision)
	case account.Waiting:
		if p.LastGood != 0 {
			return "last good " + short(a.At(p.LastGood).Revision)
		}
	}
	return ""
}
