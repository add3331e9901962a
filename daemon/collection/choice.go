package collection

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
)

//go:embed teams.json
var teamsText []byte

// Teams are Guix's teams with the package modules in their scope, as
// etc/teams.scm has them: file names, or regular expressions that begin with ^.
// They change with Guix; Date says when this was taken.
var Teams = func() (t struct {
	Date  string              `json:"date"`
	From  string              `json:"from"`
	Teams map[string][]string `json:"teams"`
}) {
	if err := json.Unmarshal(teamsText, &t); err != nil {
		panic(fmt.Sprintf("teams.json: %v", err))
	}
	return t
}()

// A choice says which packages a collection has.
type choice struct {
	names   []string
	globs   []string
	modules []string // files, such as gnu/packages/maths.scm
	scope   []string // of a team, regular expressions for such files
}

func choiceOf(c *daemon.Collection) (w choice, err error) {
	for _, p := range c.Packages {
		if strings.ContainsAny(p, `*?[`) {
			if _, err := path.Match(p, ""); err != nil {
				return w, daemon.Errorf(daemon.Invalid, "collection %s: %q is not a pattern for package names", c.Name, p)
			}
			w.globs = append(w.globs, p)
		} else {
			w.names = append(w.names, p)
		}
	}
	for _, m := range c.Modules {
		w.modules = append(w.modules, moduleFile(m))
	}
	if c.Team != "" {
		scope, ok := Teams.Teams[c.Team]
		if !ok {
			return w, daemon.Errorf(daemon.Invalid, "collection %s: there is no team %q; known are %s (as of %s)", c.Name, c.Team,
				strings.Join(slices.Sorted(maps.Keys(Teams.Teams)), ", "), Teams.Date)
		}
		for _, s := range scope {
			if !strings.HasPrefix(s, "^") {
				s = "^" + regexp.QuoteMeta(s) + "$"
			}
			w.scope = append(w.scope, s)
		}
	}
	return w, nil
}

// all tells whether nothing is chosen, which stands for everything.
func (w *choice) all() bool { return len(w.names)+len(w.globs)+len(w.modules)+len(w.scope) == 0 }

// byFile tells whether one must know where packages are defined.
func (w *choice) byFile() bool { return len(w.modules)+len(w.scope) > 0 }

// has tells whether a package is chosen; names may have versions, hello@2.12.
func (w *choice) has(name, version, file string) bool {
	if w.all() || slices.Contains(w.names, name) || slices.Contains(w.names, name+"@"+version) || slices.Contains(w.modules, file) {
		return true
	}
	for _, glob := range w.globs {
		if match, _ := path.Match(glob, name); match {
			return true
		}
	}
	return slices.ContainsFunc(w.scope, func(s string) bool { return scopes(s).MatchString(file) })
}

// scopes compiles the expressions of teams, which are few.
var scopes = func() func(string) *regexp.Regexp {
	known := make(map[string]*regexp.Regexp)
	for _, scope := range Teams.Teams {
		for _, s := range scope {
			if !strings.HasPrefix(s, "^") {
				s = "^" + regexp.QuoteMeta(s) + "$"
			}
			known[s] = regexp.MustCompile(s)
		}
	}
	return func(s string) *regexp.Regexp { return known[s] }
}()

// moduleFile is the file of a module that is written as a file,
// gnu/packages/maths.scm, or as in Scheme, (gnu packages maths).
func moduleFile(m string) string {
	if inner, ok := strings.CutPrefix(m, "("); ok || strings.Contains(m, " ") {
		return strings.Join(strings.Fields(strings.TrimSuffix(inner, ")")), "/") + ".scm"
	}
	return strings.TrimSuffix(m, ".scm") + ".scm"
}
