package system

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// The old farm's agent, as the post has it.
const (
	oldAgent    = "e092df28-3418-4f94-b7f0-a214b03291ee"
	oldPassword = "IUwGrsEklfu0kVf_QquCOdzfa6-P52qPlcwBd5YB"
)

// documented is a command of docs/migrating.md, without the prompt: the first
// one that has a text in it.
func documented(t *testing.T, part string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	whole := regexp.MustCompile(`\\\n\s+`).ReplaceAllString(string(text), "")
	if found := regexp.MustCompile(`(?m)^ +[#$] (.*` + regexp.QuoteMeta(part) + `.*)$`).FindStringSubmatch(whole); found != nil {
		return found[1]
	}
	t.Fatalf("docs/migrating.md has no command with %q", part)
	return ""
}

// oldBuild is the UUID of the old farm's build in a row.
func oldBuild(row int) string { return fmt.Sprintf("7bdd2249-1214-431a-aa61-%012d", row) }

// addOldFarm makes what a Guix Build Coordinator would have left: a build that
// succeeded, one that failed, whose log is as guix-daemon writes logs, and one in the queue.
func (h *host) addOldFarm(good, bad, left *toy.Drv) {
	h.t.Helper()
	schema, err := os.ReadFile("../../daemon/gbcimport/testdata/upstream.sql")
	if err != nil {
		h.t.Fatal(err)
	}
	sql := "PRAGMA journal_mode = WAL;\n" + string(schema) + fmt.Sprintf(`INSERT INTO agents VALUES ('%[1]s', 'TBFG agent', 'bedok', 1);
		INSERT INTO agent_passwords VALUES (1, '%[1]s', '%[2]s', '2025-08-13 00:00:00');
		INSERT INTO tags VALUES (1, 'team', 'science'); INSERT INTO agent_tags VALUES ('%[1]s', 1);
		INSERT INTO systems VALUES (1, '%[3]s');`, oldAgent, oldPassword, toy.System())
	for i, d := range []*toy.Drv{good, bad, left} {
		id := i + 1
		sql += fmt.Sprintf(`INSERT INTO derivations VALUES (%[1]d, '%[2]s', 1, 0); INSERT INTO outputs VALUES (%[1]d, '%[3]s');
			INSERT INTO derivation_outputs VALUES (%[1]d, %[1]d, 'out', %[1]d);
			INSERT INTO builds VALUES (%[1]d, '%[4]s', %[1]d, 0, %[1]d < 3, 0, '2025-08-14 01:02:03', '2025-08-14 02:00:00', NULL);
			INSERT INTO build_tags VALUES (%[1]d, 1);`, id, d.Path, d.Out(), oldBuild(id))
	}
	sql += fmt.Sprintf(`INSERT INTO derivation_inputs VALUES (3, 1);
		INSERT INTO build_results VALUES (1, '%[1]s', 'success', NULL), (2, '%[1]s', 'failure', NULL);`, oldAgent)
	h.write(upstreamDir+"/build-logs/"+oldBuild(1)+"/log", "it builds\n", 0o644)
	h.do("gzip", upstreamDir+"/build-logs/"+oldBuild(1)+"/log")
	h.write(upstreamDir+"/build-logs/"+oldBuild(2)+"/log.bz2", helloBzip2, 0o644)
	h.sql(upstreamDatabase, sql)
}

// helloBzip2 is "hello\n" as bzip2 makes it.
const helloBzip2 = "BZh91AY&SY\xc1\xc0\x80\xe2\x00\x00\x01\x41\x00\x00\x10\x02\x44\xa0\x00\x30\xcd\x00\xc3\x46\x29\x97\x17\x72\x45\x38\x50\x90\xc1\xc0\x80\xe2"

// TestAnOldFarmMovesIn follows docs/migrating.md with its own commands, up to
// an agent of the original's dialect that goes on where the old farm stopped.
func TestAnOldFarmMovesIn(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	good := h.add(toy.Recipe{Name: "good", Script: `echo built >"$out"`})
	bad := h.add(toy.Recipe{Name: "bad", Script: "false"})
	left := h.add(toy.Recipe{Name: "left", Inputs: []*toy.Drv{good}, Script: `echo left to do; cat "$in_good" >"$out"`})
	fresh := h.add(toy.Recipe{Name: "fresh", Script: `echo fresh; echo new >"$out"`})
	h.build(good)
	h.addOldFarm(good, bad, left)
	before := h.do("sh", "-c", "cd "+upstreamDir+" && find . -type f -exec sha256sum {} + | sort")

	// The dry run, the farm's first start, and the import.
	const report = `agents +1 +1 +0 +0\n(?s:.*)passwords +1 +1 +0 +0\n(?s:.*)builds +3 +3 +0 +0\n(?s:.*)build results +2 +2 +0 +0\nbuild logs +2 +2 +0 +0\n`
	sudo := regexp.MustCompile(`^sudo (-u tbfg |\$\(guix build tbfg\)/bin/)`)
	run := func(part string) string {
		t.Helper()
		return h.do("sh", "-ec", sudo.ReplaceAllString(documented(t, part), ""))
	}
	if got := run("import gbc --dry-run"); !regexp.MustCompile(report + "this was a dry run").MatchString(got) {
		t.Errorf("got the report\n%s", got)
	}
	f := newFarm(h, coordinatorOnly)
	f.stop(f.serve)
	h.do("useradd", "--system", "tbfg")
	run("install -d")
	run(".backup")
	run("chown tbfg ")
	if got := run("tbfg import gbc --build-logs"); !regexp.MustCompile(report + "$").MatchString(got) {
		t.Errorf("got the report\n%s", got)
	}
	run("rm -r ")
	f.start()

	// What there was.
	list := f.command([]string{"TBFG_COORDINATOR=" + f.clientURL}, "guix-build-coordinator", "agent", "list")
	if !strings.HasPrefix(list.out, oldAgent+": bedok\n  description:\n  TBFG agent  active?: true\n") || !strings.Contains(list.out, "team") {
		t.Errorf("got the agents %+v", list)
	}
	f.waitState(daemon.Succeeded, oldBuild(1))
	f.waitState(daemon.Failed, oldBuild(2))
	for row, want := range map[int]string{1: "it builds\n", 2: "hello\n"} {
		if got := f.logAt(oldBuild(row)); got != want {
			t.Errorf("build %d: got the log %q, want %q", row, got, want)
		}
		// The command finds the address in the configuration.
		if got := f.command(nil, "tbfg", "build", "log", oldBuild(row)); got != (reply{out: want}) {
			t.Errorf("tbfg build log of %d: got %+v, want %q", row, got, want)
		}
	}

	// What comes, from an agent that knows only its old UUID and password.
	submitted := f.command([]string{"TBFG_COORDINATOR=" + f.clientURL}, "guix-build-coordinator", "build",
		"--derivation-substitute-urls=http://127.0.0.1:1", string(fresh.Path))
	found := regexp.MustCompile(`^build submitted as ([0-9a-f-]{36})\n$`).FindStringSubmatch(submitted.out)
	if found == nil {
		t.Fatalf("got %+v", submitted)
	}
	h.write("/root/agent.scm", upstreamAgent, 0o644)
	h.do("guix", "repl", "/root/agent.scm", f.agentURL, oldAgent, oldPassword, toy.System())
	f.waitState(daemon.Succeeded, oldBuild(3), found[1])
	for build, want := range map[string]string{oldBuild(3): "left to do\n", found[1]: "fresh\n"} {
		if got := f.logAt(build); got != want {
			t.Errorf("build %s: got the log %q, want %q", build, got, want)
		}
	}

	// The way back.
	if after := h.do("sh", "-c", "cd "+upstreamDir+" && find . -type f -exec sha256sum {} + | sort"); after != before {
		t.Errorf("got the old farm\n%s\nwant it as it was:\n%s", after, before)
	}
}

// logAt is a build's log as those see it who do not know gzip.
func (f *farm) logAt(uuid string) string {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.ctx, http.MethodGet, f.frontURL+"/build/"+uuid+"/log", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(body)
}
