package history

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/clientapi"
)

// logSays compresses a log of its own for each time that it is sent, larger
// than what the farm writes at once.
func logSays(random *rand.Rand, text string) (log []byte, plain string) {
	var buffer bytes.Buffer
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte('a' + random.IntN(26))
	}
	w := gzip.NewWriter(&buffer)
	plain = text + string(noise) + "\n"
	w.Write([]byte(plain))
	w.Close()
	return buffer.Bytes(), plain
}

// Every write of a log fails, the flushing and renaming of its file among them,
// in each of the ways in which it may. Whatever happens, there is the log
// before or the one that was sent, whole; and what was acknowledged stays.
func TestEveryWriteOfALogFails(t *testing.T) {
	seed := seed(t)
	random := rand.New(rand.NewPCG(seed, 4))
	graph, url := newGraph(t, random, 1, 1)
	disk := NewDisk(t, LogFiles)
	farm := NewFarm(t, t.TempDir(), url, nil, disk.env...)
	farm.Start()
	w := &World{AgentURL: farm.AgentURL, ClientURL: farm.ClientURL, Wait: farm.Wait, Graph: graph, Seed: seed}
	agent := w.newAgent(t, "bedok", 1, Systems...)
	agent.Patience = 0
	r := &trial{World: w, t: t, agent: agent, client: clientapi.NewClient(w.ClientURL), random: random}
	served := func(uuid string) string {
		t.Helper()
		status, text, err := farm.LogText(t.Context(), uuid)
		if err != nil || status != 200 && status != 404 {
			t.Fatalf("look at a log: got status %d, %v", status, err)
		}
		if status == 404 {
			return ""
		}
		return text
	}
	cases, missed := 0, 0
	for _, replace := range []bool{false, true} { // a log that is there
		prepare := func() (uuid, old string, send func() error, new string) {
			uuid = r.held()
			if replace {
				var log []byte
				log, old = logSays(random, "the first log of "+uuid)
				if err := agent.Client.SendLog(t.Context(), uuid, bytes.NewReader(log), int64(len(log))); err != nil {
					t.Fatal(err)
				}
			}
			log, new := logSays(random, "the log of "+uuid)
			return uuid, old, func() error {
				return agent.Client.SendLog(t.Context(), uuid, bytes.NewReader(log), int64(len(log)))
			}, new
		}
		uuid, _, send, _ := prepare()
		before := disk.Writes()
		if err := send(); err != nil {
			t.Fatal(err)
		}
		writes := disk.Writes() - before
		if writes < 4 { // data, the file, its name, the directory
			t.Fatalf("a log takes %d writes, want more", writes)
		}
		r.cancel(uuid)
		for _, how := range []How{NotDone, AlthoughDone, BrokenFromThen} {
			for n := 1; n <= writes; n++ {
				cases++
				name := fmt.Sprintf("write %d of %d %v, in the place of another: %v", n, writes, how, replace)
				uuid, old, send, new := prepare()
				disk.Fail(n, how)
				switch err := send(); {
				case disk.Failed() == 0:
					// The log came in fewer pieces this time.
					missed++
					if err != nil {
						t.Errorf("%s: got %v, though no write failed", name, err)
					}
				default:
					fails(t, name, err)
					if how == BrokenFromThen {
						fails(t, name+", again", send())
					}
				}
				if got := served(uuid); got != old && got != new {
					t.Errorf("%s: got a log of %d bytes, want the old one (%d) or the new one (%d)", name, len(got), len(old), len(new))
				}
				disk.Mend()
				if n%2 == 0 {
					farm.Kill()
					farm.Start()
				}
				if err := send(); err != nil {
					t.Fatalf("%s, on a mended disk: %v", name, err)
				}
				farm.Kill()
				farm.Start()
				if got := served(uuid); got != new {
					t.Errorf("%s: after a restart got a log of %d bytes, want the one that was acknowledged (%d)", name, len(got), len(new))
				}
				r.result(uuid, true)
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(farm.Dir, "build-logs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
	w.verdict(t, Account{Builds: w.view(t), Drained: true})
	if missed > cases/3 {
		t.Errorf("in %d of %d cases no write failed, want at most a third", missed, cases)
	}
	t.Logf("%d cases", cases-missed)
}
