package hooks

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// script makes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hook")
	// Where Guix builds packages there is no /bin/sh.
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	// Tests with scripts are not parallel: a fork elsewhere, while this file is
	// written, would make its execution fail with "text file busy".
	if err := os.WriteFile(name, []byte("#!"+sh+"\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

type logged struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newRunnerOf(hooks ...Hook) *Runner {
	return New(Config{Hooks: hooks, Parallel: 4, Log: slog.New(slog.DiscardHandler)})
}

func newProgram(log *logged, command ...string) *program {
	return &program{command: command, killAfter: 200 * time.Millisecond,
		log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
}

var someEvent = daemon.HookEvent{Event: "build-success", Subject: "some-build", Arguments: []byte(`{"event":"build-success"}`)}

func TestAProgramReadsTheEvent(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("INHERITED", "yes")
	p := newProgram(new(logged), script(t, `{ cat; echo "$TBFG_EVENT $INHERITED $1"; } > "$2"`), "an argument", out)
	if err := p.tell(t.Context(), someEvent); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if want := "{\"event\":\"build-success\"}\nbuild-success yes an argument\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAProgramNeedNotReadTheEvent(t *testing.T) {
	e := someEvent
	e.Arguments = []byte(`"` + strings.Repeat("x", 1<<20) + `"`) // more than a pipe holds
	if err := newProgram(new(logged), script(t, "exit 0")).tell(t.Context(), e); err != nil {
		t.Errorf("got the error %v, want none", err)
	}
}

func TestWhatAProgramSaysIsLoggedAndItsEndIsTheError(t *testing.T) {
	log := new(logged)
	err := newProgram(log, script(t, `echo first; echo second >&2; printf 'no end'; exit 3`)).tell(t.Context(), someEvent)
	if got, want := fmt.Sprint(err), "exit status 3: first\nsecond\nno end"; got != want {
		t.Errorf("got the error %q, want %q", got, want)
	}
	for _, line := range []string{"first", "second", `"no end"`} {
		if !strings.Contains(log.String(), "level=DEBUG msg=\"a hook says\" event=build-success subject=some-build line="+line) {
			t.Errorf("the log lacks %s:\n%s", line, log)
		}
	}
}

func TestAProgramThatSaysTooMuchIsCutShort(t *testing.T) {
	log := new(logged)
	err := newProgram(log, script(t, `head -c 10000000 /dev/zero | tr '\0' x; echo; echo the end; exit 1`)).tell(t.Context(), someEvent)
	if err == nil || !strings.HasSuffix(err.Error(), "xxx\nthe end") || len(err.Error()) > maxText {
		t.Errorf("got the error %v, want the end in at most %d bytes", err, maxText)
	}
	if size := len(log.String()); size > 2*maxLogged || !strings.Contains(log.String(), "is not logged") {
		t.Errorf("%d bytes were logged, want at most %d and a hint at the rest", size, 2*maxLogged)
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	err := newProgram(new(logged), "/does/not/exist").tell(t.Context(), someEvent)
	if got, want := fmt.Sprint(err), "start the program: fork/exec /does/not/exist: no such file or directory"; got != want {
		t.Errorf("got the error %q, want %q", got, want)
	}
}

// pids reads the numbers that a script wrote.
func pids(t *testing.T, file string) (numbers []int) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range strings.Fields(string(text)) {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// eventually waits for what other processes do.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// dead waits until a process, which got SIGKILL and has another parent, is
// gone.
func dead(t *testing.T, pid int) {
	t.Helper()
	eventually(t, fmt.Sprintf("process %d is gone", pid), func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func TestAProgramThatHangsIsKilledWithItsChildren(t *testing.T) {
	for name, text := range map[string]string{
		"when it obeys":          `sleep 1000 & echo $$ $! > "$1.new"; mv "$1.new" "$1"; wait`,
		"when its child lingers": `(trap '' TERM; sleep 1000; sleep 1000) & echo $$ $! > "$1.new"; mv "$1.new" "$1"; wait`,
		"when it does not":       `trap '' TERM; sleep 1000 & echo $$ $! > "$1.new"; mv "$1.new" "$1"; while :; do sleep 1000; done`,
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "pids")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p, ended := newProgram(new(logged), script(t, "echo busy\n"+text), out), make(chan error, 1)
			go func() { ended <- p.tell(ctx, someEvent) }()
			eventually(t, "it has begun", func() bool { _, err := os.Stat(out); return err == nil })
			cancel()
			if err := <-ended; err == nil || !strings.HasSuffix(err.Error(), ": busy") {
				t.Errorf("got the error %v, want one with what it said", err)
			}
			for _, pid := range pids(t, out) {
				dead(t, pid)
			}
		})
	}
}

func TestWhatAProgramLeavesBehindIsKilled(t *testing.T) {
	out := filepath.Join(t.TempDir(), "pids")
	began := time.Now()
	if err := newProgram(new(logged), script(t, `sleep 1000 & echo $! > "$1"`), out).tell(t.Context(), someEvent); err != nil {
		t.Errorf("got the error %v, want none", err)
	}
	if time.Since(began) > time.Minute {
		t.Error("it was waited for")
	}
	dead(t, pids(t, out)[0])
}

// daemonFile is where this program, when a test's program starts it as one that
// leaves its group, writes its number.
const daemonFile = "TBFG_TEST_DAEMON_FILE"

func TestMain(m *testing.M) {
	if file := os.Getenv(daemonFile); file != "" {
		if _, err := syscall.Setsid(); err != nil {
			panic(err)
		}
		if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
			panic(err)
		}
		time.Sleep(1000 * time.Second)
		return
	}
	os.Exit(m.Run())
}

func TestADaemonMayKeepTheOutput(t *testing.T) {
	out := filepath.Join(t.TempDir(), "pids")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A program that has left its group is not waited for, and not killed.
	program := script(t, daemonFile+`="$1" "$2" & while [ ! -s "$1" ]; do sleep 0.01; done`)
	if err := newProgram(new(logged), program, out, self).tell(t.Context(), someEvent); err != nil {
		t.Errorf("got the error %v, want none", err)
	}
	pid := pids(t, out)[0]
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	dead(t, pid)
}

// The whole: a program that fails once.
func TestTheRunnerTellsPrograms(t *testing.T) {
	dir := t.TempDir()
	r := newRunnerOf(Hook{Name: "h", Events: []string{"build-success"}, Timeout: time.Minute, Attempts: 3,
		Command: []string{script(t, `cd "$1"; if [ ! -e failed ]; then touch failed; exit 1; fi; cat > new; mv new told`), dir}})
	b := newBox()
	b.put("h", "build-success", "one")
	stop := run(t, r, b)
	eventually(t, "the outbox is empty", func() bool { return len(b.all()) == 0 })
	stop()
	if text, err := os.ReadFile(filepath.Join(dir, "told")); err != nil || !strings.HasPrefix(string(text), `{"event":"build-success",`) {
		t.Errorf("it was told %q, %v", text, err)
	}
}
