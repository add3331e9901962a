package daemon

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// The sources that a collection's derivations can come from.
const (
	FromGuix        = "guix"         // this machine's guix computes them
	FromDataService = "data-service" // a Guix Data Service knows them
	FromFile        = "file"         // they stand in a file
)

// A Collection is a set of packages of which the farm gives an account: what
// builds, what fails, since when.
type Collection struct {
	Name   string `json:"name"`
	Source string `json:"source"`

	URL        string `json:"url,omitempty"`        // of the data service
	Repository string `json:"repository,omitempty"` // its number, label or URL there; empty for the first
	Branch     string `json:"branch,omitempty"`     // empty for master
	Revision   string `json:"revision,omitempty"`   // a commit; empty for the latest that was processed

	Guix      string   `json:"guix,omitempty"`      // program; empty for guix
	Channels  string   `json:"channels,omitempty"`  // file for guix time-machine
	LoadPath  []string `json:"load_path,omitempty"` // directories with package modules
	Manifests []string `json:"manifests,omitempty"` // files

	File string `json:"file,omitempty"` // with derivations, one a line

	Packages []string `json:"packages,omitempty"` // names, or patterns such as python-*
	Modules  []string `json:"modules,omitempty"`  // such as gnu/packages/maths.scm
	Team     string   `json:"team,omitempty"`     // whose modules

	Systems    []string `json:"systems,omitempty"` // empty for this machine's
	Targets    []string `json:"targets,omitempty"` // besides, cross-compiled for these
	Priority   int64    `json:"priority,omitempty"`
	WithInputs bool     `json:"with_inputs,omitempty"` // builds of inputs too
	Schedule   string   `json:"schedule,omitempty"`    // see ParseSchedule; empty for never by itself
}

// CollectionPriority is the priority of a collection's builds that names none:
// below what people submit.
const CollectionPriority = -100

// BuildPriority is Priority with its default worked out.
func (c *Collection) BuildPriority() int64 {
	if c.Priority == 0 {
		return CollectionPriority
	}
	return c.Priority
}

var collectionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// maxChoices bounds each list of a collection.
const maxChoices = 10_000

// Check tells what is wrong with a collection.
func (c *Collection) Check() error {
	wrong := func(format string, args ...any) error {
		return Errorf(Invalid, "collection %.80q: "+format, append([]any{c.Name}, args...)...)
	}
	if !collectionName.MatchString(c.Name) {
		return Errorf(Invalid, "a collection's name must be of letters, digits and . _ - and begin with a letter or digit, not %.80q", c.Name)
	}
	for _, list := range [][]string{c.LoadPath, c.Manifests, c.Packages, c.Modules, c.Systems, c.Targets} {
		if len(list) > maxChoices {
			return wrong("a list has more than %d entries", maxChoices)
		}
		for _, s := range list {
			// What begins with a hyphen would be an option for guix.
			if s == "" || len(s) > 1000 || strings.HasPrefix(s, "-") || strings.ContainsAny(s, "\n\x00") {
				return wrong("%.80q makes no sense in a list", s)
			}
		}
	}
	if _, err := ParseSchedule(c.Schedule); err != nil {
		return wrong("%v", err)
	}
	chosen := len(c.Packages)+len(c.Modules) > 0 || c.Team != ""
	switch c.Source {
	case FromDataService:
		u, err := url.Parse(c.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return wrong("url must be that of a Guix Data Service, such as https://data.guix.gnu.org, not %.200q", c.URL)
		}
	case FromGuix:
		if !chosen && len(c.Manifests) == 0 {
			return wrong("choose packages, modules, a team or manifests")
		}
		for _, file := range append([]string{c.Channels}, append(c.LoadPath, c.Manifests...)...) {
			if file != "" && !filepath.IsAbs(file) {
				return wrong("%.200q must be an absolute file name", file)
			}
		}
		if strings.HasPrefix(c.Guix, "-") {
			return wrong("guix must be a program, not %.80q", c.Guix)
		}
	case FromFile:
		if !filepath.IsAbs(c.File) {
			return wrong("file must be an absolute file name, not %.200q", c.File)
		}
	default:
		return wrong("source must be %s, %s or %s, not %.80q", FromGuix, FromDataService, FromFile, c.Source)
	}
	if c.Source != FromDataService && c.URL+c.Repository+c.Branch+c.Revision != "" {
		return wrong("url, repository, branch and revision are for a data service")
	}
	if c.Source != FromGuix && (c.Guix+c.Channels != "" || len(c.LoadPath)+len(c.Manifests) > 0) {
		return wrong("guix, channels, load_path and manifests are for guix")
	}
	if c.Source != FromFile && c.File != "" {
		return wrong("file is for the source %s", FromFile)
	}
	if c.Source == FromFile && (chosen || len(c.Systems)+len(c.Targets) > 0) {
		return wrong("all derivations of a file are taken: packages, modules, team, systems and targets are not for it")
	}
	return nil
}

// A CollectionStatus is a collection with how its updates went.
type CollectionStatus struct {
	Collection
	ID        int64
	Declared  bool      // in the configuration, which alone changes it
	Updating  bool      // an update has begun and not ended
	Attempted time.Time // when the last update began; zero for never
	Updated   time.Time // when the last one that worked began; zero for never
	Trouble   string    // why the last one failed; empty if it did not
	Latest    Evaluation
	Changed   int // packages whose derivation the latest evaluation changed
}

// An Evaluation is one time that the derivations of a collection were computed.
type Evaluation struct {
	Number   int // from 1, in each collection; 0 for none
	Revision string
	Time     time.Time
}

// An Evaluated is what one package came to in an evaluation: a derivation or
// an error.
type Evaluated struct {
	Package    string // its name; with its version where another of the name is newer
	System     string
	Target     string // empty unless it is cross-compiled
	Derivation storepath.Path
	Error      string
}
