package system

import (
	"context"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// soon is enough for a process that waits for nobody to end.
const soon = 20 * time.Second

// grace is a change that sets the grace time of a farm or an agent.
func grace(d time.Duration) func(*config.Config) {
	return func(conf *config.Config) { conf.Grace = config.Duration(d) }
}

func TestAStoppedFarmHandsItsBuildsBack(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h, func(conf *config.Config) {
		grace(100 * time.Millisecond)(conf)
		conf.LocalAgent.MaxParallelBuilds = 1
	})
	builds := f.submit(h.add(g.recipe("long", "")), h.add(g.recipe("next", "")))
	g.waitCount("long", 1)
	f.waitState(daemon.Started, builds[0])
	f.waitState(daemon.Allocated, builds[1])

	if status, took := f.stop(f.serve); status != 0 || took > soon {
		t.Errorf("got status %d after %v, want 0 soon", status, took)
	}
	eventually(t, "the builder is gone", func() bool { return !g.here("long") })
	if got := f.sql(database, "SELECT * FROM allocated_builds; SELECT * FROM build_results; SELECT * FROM setup_failures;"); got != "" {
		t.Errorf("got %q in the database, want no allocation, no result and no failure", got)
	}
	if got := f.read(pidFile); got != "" {
		t.Errorf("the PID file is still there: %q", got)
	}

	f.start()
	g.waitCount("long", 2)
	g.open("long")
	g.open("next")
	f.waitState(daemon.Succeeded, builds...)
	if got := f.show(builds[0]).Starts; len(got) != 2 {
		t.Errorf("got starts %+v, want two", got)
	}
	if got := g.count("next"); got != 1 {
		t.Errorf("the build that had not begun was built %d times, want once", got)
	}
	f.checkHistory(map[string]daemon.State{builds[0]: daemon.Succeeded, builds[1]: daemon.Succeeded})
}

func TestAStoppedFarmFinishesWhatItsGraceAllows(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h, func(conf *config.Config) {
		grace(time.Hour)(conf)
		conf.LocalAgent.MaxParallelBuilds = 1
	})
	builds := f.submit(h.add(g.recipe("finished", "")), h.add(g.recipe("not-begun", "")))
	g.waitCount("finished", 1)
	f.waitState(daemon.Started, builds[0])
	f.waitState(daemon.Allocated, builds[1])
	if err := f.serve.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	h.waitLine(f.serve, `stopping$`)
	// What has not begun goes back at once, and nobody gets it now.
	f.waitState(daemon.Ready, builds[1])
	g.open("finished")
	g.open("not-begun")
	if status := f.waitEnd(f.serve); status != 0 {
		t.Errorf("got status %d, want 0", status)
	}
	got := f.sql(database, "SELECT uuid, result FROM builds JOIN build_results ON build_id = builds.id; SELECT * FROM allocated_builds;")
	if got != builds[0]+"|success\n" {
		t.Errorf("got %q in the database, want a success and no allocation", got)
	}
	f.start()
	f.waitState(daemon.Succeeded, builds...)
	if n := g.count("finished"); n != 1 {
		t.Errorf("it was built %d times, want once", n)
	}
}

func TestAStoppedAgentHandsItsBuildsToAnother(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h, coordinatorOnly)
	id, password := f.newAgent("leaving")
	agent := f.startAgent(h, id, password, grace(0))
	builds := f.submit(h.add(g.recipe("wandering", "")))
	g.waitCount("wandering", 1)
	f.waitState(daemon.Started, builds...)
	if status, took := f.stop(agent); status != 0 || took > soon {
		t.Errorf("got status %d after %v, want 0 soon", status, took)
	}
	f.waitState(daemon.Ready, builds...)

	id, password = f.newAgent("coming")
	f.startAgent(h, id, password)
	g.waitCount("wandering", 2)
	g.open("wandering")
	f.waitState(daemon.Succeeded, builds...)
	if got := f.show(builds[0]).Agent; got != id {
		t.Errorf("got a result of the agent %s, want %s", got, id)
	}
}

func TestAFarmSaysThatItIsReadyWhenItAnswers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	f := newFarm(h, coordinatorOnly)
	if status, _ := f.stop(f.serve); status != 0 {
		t.Fatalf("got status %d, want 0", status)
	}

	const socket = "/run/notify"
	notifications, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: h.Path(socket), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notifications.Close()
	cmd := f.Command(context.Background(), "tbfg", "serve")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+socket)
	f.serve = f.launch("serve", cmd)

	hear := func() string {
		t.Helper()
		if err := notifications.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		message := make([]byte, 1000)
		n, err := notifications.Read(message)
		if err != nil {
			t.Fatalf("no notification: %v\n%s", err, f.serve.Tail(20))
		}
		return string(message[:n])
	}
	if got := hear(); got != "READY=1" {
		t.Errorf("got the notification %q, want READY=1", got)
	}
	for _, url := range []string{f.agentURL, f.clientURL, f.frontURL} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Errorf("it is ready, but: %v", err)
			continue
		}
		conn.Close()
	}
	if got, want := h.read(pidFile), strconv.Itoa(f.serve.Pid())+"\n"; got != want {
		t.Errorf("got the PID file %q, want %q", got, want)
	}
	if status, _ := f.stop(f.serve); status != 0 {
		t.Errorf("got status %d, want 0", status)
	}
	got := hear()
	for strings.HasPrefix(got, "STATUS=") { // as often as it is another one
		got = hear()
	}
	if got != "STOPPING=1" {
		t.Errorf("got the notification %q, want STOPPING=1", got)
	}
	if got := h.read(pidFile); got != "" {
		t.Errorf("the PID file is still there: %q", got)
	}
}

func TestAConfigurationDoesNotTouchWhatRuns(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	var conf config.Config
	f := newFarm(h, func(c *config.Config) {
		c.LocalAgent.MaxParallelBuilds = 1
		conf = *c
	})
	builds := f.submit(h.add(g.recipe("running", "")), h.add(g.recipe("queued", "")))
	g.waitCount("running", 1)
	conf.LocalAgent.MaxParallelBuilds, conf.LocalAgent.MaxAllocatedBuilds = 3, 3
	conf.Grace = config.Duration(0)
	h.writeConfig("/etc/tbfg/config.toml", conf)
	g.waitCount("queued", 1) // there is room for it now
	third := f.submit(h.add(g.recipe("third", "")))[0]
	g.waitCount("third", 1)

	conf.LocalAgent.Enabled = false
	h.writeConfig("/etc/tbfg/config.toml", conf)
	h.waitLine(f.serve, "the local agent ends with what it builds now")
	late := f.submit(h.add(toy.Recipe{Name: "late", Script: `echo >"$out"`}))
	for _, name := range []string{"running", "queued", "third"} {
		g.open(name)
	}
	f.waitState(daemon.Succeeded, append(builds, third)...)
	for _, name := range []string{"running", "queued", "third"} {
		if got := g.count(name); got != 1 {
			t.Errorf("%s: got %d builders, want 1", name, got)
		}
	}
	if got := f.show(late[0]).State; got != daemon.Ready {
		t.Errorf("a build for nobody: got %s, want it ready", got)
	}
	conf.LocalAgent.Enabled = true
	h.writeConfig("/etc/tbfg/config.toml", conf)
	f.waitState(daemon.Succeeded, late...)
}
