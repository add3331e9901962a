package config

import (
	"codeberg.org/tbfg/tbfg/daemon"
)

// Collection configures a set of packages of which the farm gives an account.
// Its fields are those of [daemon.Collection].
type Collection struct {
	Name   string `toml:"name" comment:"The collection's name, as \"tbfg report\" takes it."`
	Source string `toml:"source" comment:"Where its derivations come from: guix, data-service or file."`

	URL        string `toml:"url,omitempty" comment:"URL of the Guix Data Service."`
	Repository string `toml:"repository,omitempty" comment:"Number, label or URL of the repository there; empty for the first."`
	Branch     string `toml:"branch,omitempty" comment:"Its branch; empty for master."`
	Revision   string `toml:"revision,omitempty" comment:"A commit; empty for the latest one that the service has processed."`

	Guix      string   `toml:"guix,omitempty" comment:"The program guix; empty for the one in $PATH."`
	Channels  string   `toml:"channels,omitempty" comment:"Channels file for guix time-machine; empty for the Guix that is there."`
	LoadPath  []string `toml:"load_path,omitempty" comment:"Directories with package modules, as guix -L takes them."`
	Manifests []string `toml:"manifests,omitempty" comment:"Files with manifests."`

	File string `toml:"file,omitempty" comment:"File with derivations, one a line."`

	Packages []string `toml:"packages,omitempty" comment:"Names of packages, or patterns such as python-*."`
	Modules  []string `toml:"modules,omitempty" comment:"Modules all of whose packages are taken, such as gnu/packages/maths.scm."`
	Team     string   `toml:"team,omitempty" comment:"A team of Guix, such as science: the modules in its scope."`

	Systems    []string `toml:"systems,omitempty" comment:"Systems to build for; empty for this machine's."`
	Targets    []string `toml:"targets,omitempty" comment:"Cross-compile for these besides, such as aarch64-linux-gnu."`
	Priority   int64    `toml:"priority" comment:"Priority of the builds; 0 for -100, below what people submit."`
	WithInputs bool     `toml:"with_inputs" comment:"Whether to submit builds of their inputs too."`
	Schedule   string   `toml:"schedule" comment:"When to update: an interval such as \"6h\", a time in UTC such as \"04:30\" or \"mon,thu 04:30\", or empty for never by itself."`
}

// Domain are the collections in the farm's words.
func Domain(list []Collection) []daemon.Collection {
	out := make([]daemon.Collection, len(list))
	for i, c := range list {
		out[i] = daemon.Collection(c)
	}
	return out
}

func (v *validator) collections(list []Collection) {
	names := make(map[string]bool)
	for _, c := range Domain(list) {
		if err := c.Check(); err != nil {
			v.errs = append(v.errs, err)
			continue
		}
		v.check(!names[c.Name], "there are two collections called %q", c.Name)
		names[c.Name] = true
	}
}
