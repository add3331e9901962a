package history

import (
	"net/http"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// agentRoutes are served to agents with credentials; enrolment and metrics ask
// for none of these.
var agentRoutes = []string{"agent-status", "fetch-builds", "report-start", "setup-failure", "build-log", "build-result",
	"release-build", "agent", "build", "live-log", "live-log-size", "send-output", "output-rest", "output-size"}

// streamRoutes take bodies of any content.
var streamRoutes = []string{"live-log", "send-output", "output-rest"}

// openRoutes answer to everybody: they tell, or need no body.
var openRoutes = []string{"builds", "agents", "passwords", "output", "failed-setups", "blocking", "tokens", "hooks", "status", "metrics"}

// fill puts something for each name in a pattern.
func fill(pattern, uuid string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	path = strings.NewReplacer("{format}", "gzip", "{name}", "out").Replace(path)
	return method, names.ReplaceAllLiteralString(path, uuid)
}

// credentials: without the right ones nothing is to be had of the agents' API.
func (g *target) credentials() {
	for _, route := range agentRoutes {
		for _, pattern := range wire.Routes[route] {
			for name, auth := range map[string]func(*http.Request){
				"no credentials":              nil,
				"an unknown agent":            func(r *http.Request) { r.SetBasicAuth(nobody, g.password) },
				"a wrong password":            func(r *http.Request) { r.SetBasicAuth(g.agent, "wrong") },
				"an empty password":           func(r *http.Request) { r.SetBasicAuth(g.agent, "") },
				"another agent's name":        func(r *http.Request) { r.SetBasicAuth(g.other, g.password) },
				"a huge password":             func(r *http.Request) { r.SetBasicAuth(g.agent, strings.Repeat("x", 30_000)) },
				"an agent without a UUID":     func(r *http.Request) { r.SetBasicAuth("' OR 1=1 --", g.password) },
				"credentials of another sort": func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+g.password) },
				"no base 64":                  func(r *http.Request) { r.Header.Set("Authorization", "Basic %%%") },
			} {
				method, path := fill(pattern, g.build)
				g.fire(name, attack{method, g.farm.AgentURL + path, strings.NewReader("{}"), auth}, 401, 403)
			}
		}
	}
}

// foreign: an agent has nothing to say of another's builds, or for another.
func (g *target) foreign() {
	sound := map[string]string{
		"agent-status": `{"status": "idle"}`, "fetch-builds": `{"systems": ["x86_64-linux"], "target_count": 1}`, "report-start": "",
		"setup-failure": `{"failure_reason": "missing_inputs"}`, "build-log": string(LogOf("x")), "build-result": `{"result": "success"}`,
		"release-build": "", "agent": "", "build": "", "live-log-size": "", "send-output": "x", "output-rest": "x", "output-size": "",
	}
	for route, body := range sound {
		for _, pattern := range wire.Routes[route] {
			for _, uuid := range []string{g.build, g.other, nobody} {
				method, path := fill(pattern, uuid)
				g.fire("another's "+route, attack{method, g.farm.AgentURL + path, strings.NewReader(body), g.asAttacker}, 403, 404)
			}
		}
	}
}

// paths: names that are none, in every route.
func (g *target) paths() {
	for route, patterns := range wire.Routes {
		for _, pattern := range patterns {
			if !strings.Contains(pattern, "{") {
				continue
			}
			for _, bad := range badNames {
				method, path := fill(pattern, bad)
				for _, base := range []string{g.farm.AgentURL, g.farm.ClientURL} {
					a := attack{method, base + path, strings.NewReader(sane(route)), g.asAttacker}
					g.fire("a bad name", a, 400, 401, 403, 404, 409, 413, 414, 429)
				}
			}
		}
	}
	for _, bad := range badNames {
		g.front(bad)
	}
}

// sane is a body with which a request would succeed if it were about something.
func sane(route string) string {
	switch route {
	case "priority":
		return `{"new_priority": 1}`
	case "agent-mode", "change-agent":
		return `{"mode": "working"}`
	case "agent-active":
		return `{"active": true}`
	case "agent-tags":
		return `{"tags": []}`
	case "build-result":
		return `{"result": "success"}`
	case "setup-failure":
		return `{"failure_reason": "x"}`
	case "fetch-builds":
		return `{"systems": ["x86_64-linux"]}`
	}
	return "{}"
}

// front: the log endpoint serves no other files.
func (g *target) front(bad string) {
	resp, err := g.http.Get(g.farm.FrontURL + "/build/" + bad + "/log")
	if err != nil {
		g.t.Errorf("the log of %q: %v", bad, err)
		return
	}
	defer resp.Body.Close()
	g.statuses[resp.StatusCode]++
	if resp.StatusCode/100 != 4 {
		g.t.Errorf("the log of %q: got status %d, want 4xx", bad, resp.StatusCode)
	}
}

// methods: a path under another method is unknown.
func (g *target) methods() {
	known := make(map[string]bool)
	for _, patterns := range wire.Routes {
		for _, p := range patterns {
			known[p] = true
		}
	}
	for _, patterns := range wire.Routes {
		for _, pattern := range patterns {
			_, path, _ := strings.Cut(pattern, " ")
			for _, method := range []string{"GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
				if known[method+" "+path] {
					continue
				}
				_, filled := fill(pattern, nobody)
				for _, base := range []string{g.farm.AgentURL, g.farm.ClientURL} {
					g.fire("a wrong method", attack{method, base + filled, nil, g.asAttacker}, 400, 403, 404, 405, 409)
				}
			}
		}
	}
}

// bodies: what is no message, for each route that takes one.
func (g *target) bodies() {
	bodies := badBodies()
	for route, patterns := range wire.Routes {
		if slices.Contains(openRoutes, route) {
			continue
		}
		method, path := fill(patterns[0], g.build)
		if strings.Contains(path, "/agent") { // its own, or it would be refused before
			method, path = fill(patterns[0], g.agent)
		}
		if slices.Contains(streamRoutes, route) || method == "GET" || method == "HEAD" || method == "DELETE" || route == "report-start" || route == "release-build" || route == "new-password" || route == "retry-hooks" || route == "reload" {
			continue // no body is read
		}
		base := g.farm.ClientURL
		if slices.Contains(agentRoutes, route) || route == "enrol" {
			base = g.farm.AgentURL
		}
		for name, body := range bodies {
			want := []int{400, 403, 413, 429}
			if strings.HasPrefix(path, "/collection/") {
				want = append(want, 404) // there is none, whatever is asked of it
			}
			g.fire(name, attack{method, base + path, body(), g.asAttacker}, want...)
		}
	}
}
