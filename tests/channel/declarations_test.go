package channel

import (
	"regexp"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/event"
)

func testDerivations(t *testing.T, g *guix) {
	for _, name := range append(examples, "test") {
		if drv := g.made(t, name+".drv"); !regexp.MustCompile(`^/gnu/store/[a-z0-9]{32}-[a-z-]+\.drv$`).MatchString(drv) {
			t.Errorf("%s: got %q, want a derivation", name, drv)
		}
	}
}

// farm declares a farm with fields, which stand in line 4.
func farm(fields string) string {
	return "(use-modules (gnu services) (guix gexp) (tbfg services))\n(service tbfg-service-type\n (tbfg-configuration\n  " + fields + "))\n"
}

// agent declares an agent.
func agent(fields string) string {
	return "(use-modules (gnu services) (tbfg services))\n(service tbfg-agent-service-type\n (tbfg-agent-configuration\n  " + fields + "))\n"
}

// wrong are declarations with a mistake, and what is said of it. Columns count
// from 0.
var wrong = []struct{ name, text, want string }{
	{"url", farm(`(derivation-substitute-urls '("ftp://x"))`),
		`4:30: tbfg: derivation-substitute-urls: "ftp://x" is not a http:// or https:// URL`},
	{"port", farm(`(agent-listen '("0.0.0.0:87450"))`),
		`4:16: tbfg: agent-listen: the port of "0.0.0.0:87450" is not one of 1 to 65535`},
	{"address", farm(`(front-listen '("farm.example.org:80"))`),
		`4:16: tbfg: front-listen: "farm.example.org:80" is not an IP address and a port such as "127.0.0.1:8745" or "[::]:8745"`},
	{"agents", farm("(agents (list (tbfg-declared-agent (name \"a\"))\n   (tbfg-declared-agent (name \"b\"))\n   (tbfg-declared-agent (name \"a\"))))"),
		`6:3: tbfg: agents: there are two agents called "a"`},
	{"event", farm(`(hooks (list (cons 'build-failed "/bin/true")))`),
		`4:9: tbfg: hooks: there is no event build-failed; events are ` + strings.Join(event.Names, ", ")},
	{"program", farm(`(hooks (list (cons 'build-failure "mail")))`),
		`4:9: tbfg: hooks: "mail" is neither a program nor the absolute file name of one`},
	{"hooks", farm("(hooks (list (cons 'build-failure #~#t)\n (tbfg-hook (name \"build-failure\") (events '(agent-status)))))"),
		`4:9: tbfg: hooks: there are two hooks called "build-failure"`},
	{"bffe", farm(`(bffe "localhost:8767")`), `4:8: tbfg: bffe: "localhost:8767" is not a http:// or https:// URL`},
	{"collections", farm("(collections (list (tbfg-collection (name \"a\") (team \"science\"))\n   (tbfg-collection (name \"a\") (team \"r\"))))"),
		`5:3: tbfg: collections: there are two collections called "a"`},
	{"nothing", farm(`(collections (list (tbfg-collection (name "a"))))`),
		`4:21: tbfg: collections: "a": choose packages, modules, a team or manifests`},
	{"source", farm(`(collections (list (tbfg-collection (name "a") (source 'file) (file "/drvs") (branch "main"))))`),
		`4:21: tbfg: collections: "a": branch is for the source data-service`},
	{"schedule", farm(`(collections (list (tbfg-collection (name "a") (team "r") (schedule "daily"))))`),
		`4:70: tbfg: schedule: "daily" is neither an interval such as "6h" nor a time in UTC such as "04:30" or "mon,thu 04:30"`},
	{"compression", agent(`(output-compression "gzip")`), `4:22: tbfg: output-compression: "gzip" is not one of "lzip", "zstd" and "none"`},
	{"level", farm(`(log-level "loud")`), `4:13: tbfg: log-level: "loud" is not one of "debug", "info", "warn" and "error"`},
	{"grace", farm(`(grace "soon")`), `4:9: tbfg: grace: "soon" is not a duration such as "90s", "15m" or "1h30m"`},
	{"directory", farm(`(state-directory "tbfg")`), `4:19: tbfg: state-directory: "tbfg" is not an absolute file name`},
	{"local", farm("(local-agent\n(tbfg-agent-configuration (extra-options '(\"--help\"))))"),
		`5:0: tbfg: local-agent: the local agent is part of the farm's program and gets its credentials by itself: ` +
			`it has no authentication and no extra-options`},
	{"nobody", agent(`(systems '("x86_64-linux"))`), `3:1: tbfg: authentication: an agent needs one of the authentication records`},
	{"system", agent(`(systems '("x86-64"))`), `4:11: tbfg: systems: "x86-64" is not a system such as "x86_64-linux"`},
	{"parallel", agent(`(max-parallel-builds -1)`), `4:23: tbfg: max-parallel-builds: -1 is not a whole number from 0`},
	{"coordinator", agent(`(coordinator "localhost:8745")`), `4:15: tbfg: coordinator: "localhost:8745" is not a http:// or https:// URL`},
	{"uuid", agent(`(authentication (tbfg-agent-password-file-auth (uuid "bedok") (password-file "/x")))`),
		`4:55: tbfg: uuid: "bedok" is not a UUID as "tbfg agent new" prints it`},
	{"missing", agent(`(authentication (tbfg-agent-dynamic-auth-with-file (agent-name "a")))`),
		`nowhere: tbfg: token-file: this field must be set`},
}

func testWrong(t *testing.T, g *guix) {
	for _, w := range wrong {
		got := strings.TrimPrefix(strings.TrimSpace(g.made(t, w.name+".error")), "/root/"+w.name+".scm:")
		if got != w.want {
			t.Errorf("%s:\n got %s\nwant %s", w.name, got, w.want)
		}
	}
}

// testConfigurations checks the files in /etc/tbfg.
func testConfigurations(t *testing.T, g *guix) {
	for _, name := range []string{"one-line.tbfg", "post.tbfg", "post.tbfg-agent", "farm-head.tbfg", "agent-only.tbfg-agent", "live.tbfg", "live.tbfg-agent"} {
		out, err := g.Run(t.Context(), "/opt/tbfg/bin/tbfg", "config", "check", "/out/"+name+".toml")
		if err != nil {
			t.Errorf("%s: %s%v", name, out, err)
		}
	}
	conf, err := config.Load(g.Path("/out/farm-head.tbfg.toml"), "/")
	if err != nil {
		t.Fatal(err)
	}
	if len(conf.Hooks.Each) != 4 || len(conf.Agents) != 3 || len(conf.Collections) != 2 {
		t.Errorf("got the hooks %+v, the agents %+v and the collections %+v, want four, three and two", conf.Hooks.Each, conf.Agents, conf.Collections)
	}
	for _, name := range []string{"one-line.tbfg.toml", "live.tbfg-agent.toml", "live.tbfg-agent.shepherd"} {
		if strings.Contains(g.made(t, name), secret) {
			t.Errorf("%s has the token in it", name)
		}
	}
}
