package config

import (
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/event"
)

// Hooks configures what is told of events. Its keys stand at the top of the
// file.
type Hooks struct {
	Parallel int    `toml:"parallel_hooks" comment:"How many hooks run at the same time. If there are several hooks, none takes all of these places."`
	Each     []Hook `toml:"hook,omitempty" comment:"What is told of events, each as a table [[hook]]."`
}

// Hook configures one that is told of events: a program or a Guix Data
// Service.
type Hook struct {
	Name        string      `toml:"name" comment:"The hook's name in messages and in \"tbfg hooks\"; events that wait for it are kept under this name."`
	Events      []string    `toml:"events" comment:"The events it is told of: build-submitted, build-started, build-success, build-failure, build-canceled, build-missing-inputs, agent-status, package-broken, package-fixed or evaluation-done."`
	Command     []string    `toml:"command,omitempty" comment:"Program, with an absolute file name, and its arguments. It reads the event as JSON from its standard input."`
	DataService DataService `toml:"data_service,omitempty" comment:"Report builds to this Guix Data Service; instead of command."`
	Timeout     Duration    `toml:"timeout" comment:"How long it may take before it is killed; \"0s\" for 5 minutes."`
	Attempts    int         `toml:"attempts" comment:"After how many failures it is not told of an event again until \"tbfg hooks retry\"; 0 for 10."`
}

// DataService says where a Guix Data Service takes reports of builds.
type DataService struct {
	URL       string `toml:"url" comment:"URL of the Guix Data Service."`
	ID        int64  `toml:"build_server_id" comment:"The number by which it knows this farm."`
	TokenFile string `toml:"token_file" comment:"File with the token that it wants, readable by the coordinator only."`
}

// Limit is Timeout with its default worked out.
func (h *Hook) Limit() time.Duration {
	if h.Timeout == 0 {
		return 5 * time.Minute
	}
	return time.Duration(h.Timeout)
}

// Tries is Attempts with its default worked out.
func (h *Hook) Tries() int {
	if h.Attempts == 0 {
		return 10
	}
	return h.Attempts
}

// reports tells whether a data service is configured.
func (h *Hook) reports() bool { return h.DataService != DataService{} }

// ReportedEvents are the events of which a Guix Data Service can be told.
var ReportedEvents = []string{event.BuildSubmitted, event.BuildStarted, event.BuildSuccess, event.BuildFailure, event.BuildCanceled}

// hookName keeps names such that they can be typed and read in a log.
var hookName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func (v *validator) hooks(hooks Hooks) {
	v.check(hooks.Parallel >= 1, "parallel_hooks must be at least 1")
	names := make(map[string]bool)
	for i, h := range hooks.Each {
		if !hookName.MatchString(h.Name) {
			v.check(false, "the name of hook %d must be of letters, digits and . _ - and begin with a letter or digit, not %q", i+1, h.Name)
			continue
		}
		v.check(!names[h.Name], "there are two hooks called %q", h.Name)
		names[h.Name] = true
		v.hook(h)
	}
}

func (v *validator) hook(h Hook) {
	possible := event.Names
	if h.reports() {
		possible = ReportedEvents
	}
	v.check(len(h.Events) > 0, "hook %q: events must name at least one of %s", h.Name, strings.Join(possible, ", "))
	for i, e := range h.Events {
		switch {
		case !slices.Contains(event.Names, e):
			v.check(false, "hook %q: there is no event %q; events are %s", h.Name, e, strings.Join(possible, ", "))
		case !slices.Contains(possible, e):
			v.check(false, "hook %q: a data service cannot be told of %s, only of %s", h.Name, e, strings.Join(possible, ", "))
		}
		v.check(!slices.Contains(h.Events[:i], e), "hook %q: events has %q twice", h.Name, e)
	}
	v.check((len(h.Command) > 0) != (h.reports()), "hook %q must have either a command or a data_service", h.Name)
	if len(h.Command) > 0 {
		v.check(filepath.IsAbs(h.Command[0]), "hook %q: command must begin with the absolute file name of a program, not %q",
			h.Name, h.Command[0])
	}
	if h.reports() {
		v.dataService(h.Name, h.DataService)
	}
	v.check(h.Timeout >= 0, "hook %q: timeout must not be negative", h.Name)
	v.check(h.Attempts >= 0, "hook %q: attempts must not be negative", h.Name)
}

func (v *validator) dataService(hook string, s DataService) {
	u, err := url.Parse(s.URL)
	// What is in the URL shows in logs, so the token must not be there.
	v.check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "",
		"hook %q: data_service.url must be an http:// or https:// URL without password, query or fragment", hook)
	v.check(s.ID >= 1, "hook %q: data_service.build_server_id must be a number from 1", hook)
	v.check(filepath.IsAbs(s.TokenFile), "hook %q: data_service.token_file must be an absolute file name, not %q", hook, s.TokenFile)
}
