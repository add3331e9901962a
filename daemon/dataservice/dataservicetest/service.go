// Package dataservicetest is a stand-in for a Guix Data Service: it serves the
// documented JSON routes, by pages, and has bad days when it is told to.
package dataservicetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Package is one of a revision, with its derivations.
type Package struct {
	Name, Version, File string
	Derivations         []Derivation
}

// A Derivation is a package's for a system and perhaps a target.
type Derivation struct{ Path, System, Target string }

// A Service is the stand-in, an http.Handler.
type Service struct {
	mu        sync.Mutex // guards what follows
	revisions map[string][]Package
	latest    string
	asked     []string // paths and queries
	trouble   []func(w http.ResponseWriter, r *http.Request)
	maxPage   int
	publish   http.Handler // serves narinfos and nars
}

// New is a service that has processed nothing.
func New() *Service { return &Service{revisions: make(map[string][]Package)} }

// Process makes a revision the latest one of the branch master.
func (s *Service) Process(commit string, packages []Package) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revisions[commit], s.latest = packages, commit
}

// MaxPage makes the service give no more derivations at a time, whatever one
// asks for.
func (s *Service) MaxPage(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.maxPage = n
}

// Substitutes makes it serve narinfos and nars that a real server has, such as
// guix publish at a URL.
func (s *Service) Substitutes(server string) {
	target, err := url.Parse(server)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publish = httputil.NewSingleHostReverseProxy(target)
}

// Fail makes the next requests, each one in turn, be answered with a status and
// a text.
func (s *Service) Fail(status int, text string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range times {
		s.trouble = append(s.trouble, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, text)
		})
	}
}

// Hang makes the next request get no answer before a time, or until its caller
// has enough.
func (s *Service) Hang(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = append(s.trouble, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(d):
			s.ServeHTTP(w, r)
		}
	})
}

// Asked lists what was asked for since the last call.
func (s *Service) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if len(s.trouble) > 0 {
		trouble := s.trouble[0]
		s.trouble = s.trouble[1:]
		s.mu.Unlock()
		trouble(w, r)
		return
	}
	defer s.mu.Unlock()
	path := r.URL.Path
	if publish := s.publish; publish != nil && (strings.HasSuffix(path, ".narinfo") || strings.HasPrefix(path, "/nar/") || path == "/nix-cache-info") {
		s.mu.Unlock()
		publish.ServeHTTP(w, r)
		s.mu.Lock()
		return
	}
	s.asked = append(s.asked, r.URL.RequestURI())
	status, reply := s.answer(strings.Split(strings.TrimPrefix(path, "/"), "/"), r.URL.Query())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(reply)
}

type object map[string]any

func (s *Service) answer(path []string, query url.Values) (int, any) {
	switch {
	case slices.Equal(path, []string{"repositories"}):
		return 200, object{"repositories": []object{{"id": 2, "label": "guix-science", "url": "https://codeberg.org/guix-science/guix-science.git"},
			{"id": 1, "label": "guix", "url": "https://git.savannah.gnu.org/git/guix.git"}}}
	case len(path) == 5 && path[0] == "repository" && path[4] == "latest-processed-revision":
		if path[1] != "1" || path[3] != "master" || s.latest == "" {
			return 404, object{"error": "no latest revision"}
		}
		return 200, object{"revision": object{"commit": s.latest}, "packages_count": len(s.revisions[s.latest])}
	case len(path) >= 2 && path[0] == "revision":
		packages, ok := s.revisions[path[1]]
		if !ok {
			return 404, object{"unknown_commit": path[1]}
		}
		return s.revision(path[1], packages, strings.Join(path[2:], "/"), query)
	}
	return 404, object{"error": "page not found"}
}

func (s *Service) revision(commit string, packages []Package, what string, query url.Values) (int, any) {
	switch what {
	case "":
		return 200, object{"revision": object{"commit": commit}}
	case "packages":
		if query.Has("limit_results") && query.Has("all_results") {
			return 200, object{"error": "invalid query"}
		}
		list := []object{}
		for _, p := range packages {
			one := object{"name": p.Name}
			if slices.Contains(query["field"], "version") {
				one["version"] = p.Version
			}
			if slices.Contains(query["field"], "location") {
				one["location"] = object{"file": p.File, "line": 7, "column-number": 2}
			}
			list = append(list, one)
		}
		return 200, object{"revision": object{"commit": commit}, "packages": list}
	case "package-derivations":
		return s.derivations(packages, query)
	}
	return 404, object{"error": "page not found"}
}

func (s *Service) derivations(packages []Package, query url.Values) (int, any) {
	limit := 10
	if text := query.Get("limit_results"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return 200, object{"error": "invalid query"}
		}
		limit = n
	}
	if s.maxPage > 0 {
		limit = min(limit, s.maxPage)
	}
	target := query.Get("target")
	if target == "none" {
		target = ""
	}
	var paths []string
	for _, p := range packages {
		for _, d := range p.Derivations {
			if d.System == query.Get("system") && d.Target == target && d.Path > query.Get("after_name") {
				paths = append(paths, d.Path)
			}
		}
	}
	slices.Sort(paths)
	list := []object{}
	for _, path := range paths[:min(len(paths), limit)] {
		list = append(list, object{"derivation": path, "system": query.Get("system"), "target": target})
	}
	return 200, object{"derivations": list}
}
