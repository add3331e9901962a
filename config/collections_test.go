package config

import (
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
)

func TestCollectionsThatAreWrong(t *testing.T) {
	good := Collection{Name: "science", Source: "guix", Modules: []string{"gnu/packages/maths.scm"}}
	for _, tt := range []struct {
		name   string
		change func(*Collection)
		want   string // part of the error; empty for none
	}{
		{"as it should be", func(*Collection) {}, ""},
		{"a schedule", func(c *Collection) { c.Schedule = "mon 04:30" }, ""},
		{"a schedule that makes no sense", func(c *Collection) { c.Schedule = "daily" }, `not "daily"`},
		{"a name with a slash", func(c *Collection) { c.Name = "a/b" }, "a collection's name must be"},
		{"no source", func(c *Collection) { c.Source = "" }, "source must be guix, data-service or file"},
		{"no packages", func(c *Collection) { c.Modules = nil }, "choose packages, modules, a team or manifests"},
		{"a relative directory", func(c *Collection) { c.LoadPath = []string{"guix"} }, "must be an absolute file name"},
		{"what guix would take for an option", func(c *Collection) { c.Packages = []string{"--help"} }, "makes no sense in a list"},
		{"a URL for guix", func(c *Collection) { c.URL = "https://data.guix.gnu.org" }, "are for a data service"},
		{"a data service without a URL", func(c *Collection) { *c = Collection{Name: "x", Source: "data-service"} }, "url must be that of a Guix Data Service"},
		{"all of a data service", func(c *Collection) {
			*c = Collection{Name: "x", Source: "data-service", URL: "https://data.guix.gnu.org"}
		}, ""},
		{"a file with a choice", func(c *Collection) { *c = Collection{Name: "x", Source: "file", File: "/drvs", Team: "science"} }, "all derivations of a file are taken"},
		{"a relative file", func(c *Collection) { *c = Collection{Name: "x", Source: "file", File: "drvs"} }, "file must be an absolute file name"},
	} {
		c := Default(stateDir)
		one := good
		tt.change(&one)
		c.Collections = []Collection{one}
		err := c.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	c := Default(stateDir)
	c.Collections = []Collection{good, good}
	if err := c.Validate(); err == nil || err.Error() != `there are two collections called "science"` {
		t.Errorf("two of one name: got %v", err)
	}
}

func TestCollectionsInTheFarmsWords(t *testing.T) {
	got := Domain([]Collection{{Name: "x", Team: "science", Schedule: "6h"}})
	if len(got) != 1 || got[0].Name != "x" || got[0].Team != "science" || got[0].Schedule != "6h" || got[0].BuildPriority() != daemon.CollectionPriority {
		t.Errorf("got %+v", got)
	}
}
