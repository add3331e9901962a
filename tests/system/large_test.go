package system

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// Logs as large as none should be arrive whole, and farm and agent, which are
// one process here, need no more memory for them. This takes minutes: it is
// for "make soak", which sets TBFG_LARGE_LOGS to the megabytes of the largest.
func TestLargeLogsArriveWhole(t *testing.T) {
	megabytes, err := strconv.Atoi(os.Getenv("TBFG_LARGE_LOGS"))
	if err != nil {
		t.Skip("TBFG_LARGE_LOGS does not say how large")
	}
	h := newBuilder(t)
	f := newFarm(h, func(conf *config.Config) { conf.LocalAgent.MaxParallelBuilds = 1 })
	large, line, lines := megabytes*1_000_000, megabytes*100_000, megabytes*3000
	for _, test := range []struct {
		name, script string
		write        func(io.Writer)
	}{
		{"large", fmt.Sprintf(`yes 'a line like all the others' | head -c %d`, large), func(w io.Writer) {
			const line = "a line like all the others\n"
			for left := large; left > 0; left -= len(line) {
				io.WriteString(w, line[:min(left, len(line))])
			}
		}},
		{"line", fmt.Sprintf(`head -c %d /dev/zero | tr '\000' x`, line), func(w io.Writer) {
			x := strings.Repeat("x", 1000)
			for left := line; left > 0; left -= len(x) {
				io.WriteString(w, x[:min(left, len(x))])
			}
		}},
		{"lines", fmt.Sprintf(`seq %d`, lines), func(w io.Writer) {
			for i := range lines {
				fmt.Fprintln(w, i+1)
			}
		}},
	} {
		began := time.Now()
		drv := h.add(toy.Recipe{Name: test.name, Script: test.script + `; echo >"$out"`})
		build := f.submit(drv)[0]
		for deadline := began.Add(20 * time.Minute); !f.show(build).State.Finished(); {
			if h.alive(f.serve); time.Now().After(deadline) {
				t.Fatalf("%s: it does not end", test.name)
			}
			<-time.After(100 * time.Millisecond)
		}
		took := time.Since(began)
		f.waitState(daemon.Succeeded, build)
		want := digest{Hash: sha256.New()}
		test.write(&want)
		got := digest{Hash: sha256.New()}
		file, err := os.Open(h.Path(stateDir + "/build-logs/" + build + "/log.gz"))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bufio.NewReader(file))
		if err == nil {
			_, err = io.Copy(&got, z)
		}
		file.Close()
		if err != nil || got.String() != want.String() {
			t.Errorf("%s: got the log %v, %v, want %v", test.name, &got, err, &want)
		}
		t.Logf("%s: %v in %.1f s; the farm had %d MB at most", test.name, &got, took.Seconds(), h.peak(f.serve.Pid()))
	}
	if got := h.peak(f.serve.Pid()); got > 200 {
		t.Errorf("got %d MB of memory, want less than 200", got)
	}
}

// A digest is what is to be known of a large text.
type digest struct {
	hash.Hash
	size, lines int
}

func (d *digest) Write(p []byte) (int, error) {
	d.size += len(p)
	d.lines += strings.Count(string(p), "\n")
	return d.Hash.Write(p)
}

func (d *digest) String() string {
	return fmt.Sprintf("%d bytes, %d lines, %x", d.size, d.lines, d.Sum(nil)[:8])
}

// peak is the most memory that a process had, in megabytes.
func (h *host) peak(pid int) int {
	h.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		h.t.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		h.t.Fatalf("no VmHWM in %s", status)
	}
	kb, _ := strconv.Atoi(string(found[1]))
	return kb / 1000
}
