package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"golang.org/x/sys/unix"
)

// smallDisk is a file system of some MB.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test must be run as root, to mount a disk")
		}
		t.Skip("only root can mount a disk")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return dir
}

// fillUp writes a file until the disk is full but for some bytes.
func fillUp(t *testing.T, file string, leave int64) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, repeater("x")); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("fill the disk: got %v, want ENOSPC", err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(max(0, info.Size()-leave)); err != nil {
		t.Fatal(err)
	}
}

func TestTheDiskIsFull(t *testing.T) {
	seed := seed(t)
	random := rand.New(rand.NewPCG(seed, 5))
	graph, url := newGraph(t, random, 4, 20)
	dir := smallDisk(t, "24m") // has room for the history of all builds without the ballast
	farm := NewFarm(t, filepath.Join(dir, "state"), url, func(c *config.Config) { c.Coordinator.MinFree = 0 })
	farm.Start()
	w := &World{AgentURL: farm.AgentURL, ClientURL: farm.ClientURL, Wait: farm.Wait, Graph: graph, Seed: seed}
	agent := w.newAgent(t, "bedok", 3, Systems...)
	agent.Patience = 100 * time.Millisecond
	client := clientapi.NewClient(w.ClientURL)
	ballast := filepath.Join(dir, "ballast")

	refused, unable, rounds := 0, 0, 6
	for round := range rounds {
		fillUp(t, ballast, int64(random.IntN(1<<20)))
		refused += w.untilFull(t, client, random)
		// Agents meet it too; all that they are told must be true.
		w.work(t, agent, rand.New(rand.NewPCG(seed, uint64(10+round))), 300*time.Millisecond)
		if _, err := client.Agents(t.Context()); err != nil {
			t.Errorf("what is there cannot be read on a full disk: %v", err)
		}
		started := true
		if round%2 == 1 { // killed, it starts on the full disk, or says why not
			farm.Kill()
			if err := farm.TryStart(); err != nil {
				started = false
				if unable++; !strings.Contains(err.Error(), "full") {
					t.Errorf("start on a full disk: got the error %v, want one with what is wrong", err)
				}
			}
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if !started {
			farm.Start()
		}
		// The same process goes on.
		s := daemon.Submission{Derivation: w.Paths[0], UUID: randomUUID(random)}
		if err := w.submit(t, client, s); err != nil {
			t.Errorf("with room again: got the error %v, want none", err)
		}
	}
	working, stop := context.WithCancel(t.Context())
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { agent.Run(working, random) })
	w.drain(t)
	stop()
	group.Wait()
	final := w.view(t)
	w.sameAfterKill(t, farm, final)
	w.verdict(t, Account{Builds: final, Drained: true})
	logs := w.checkLogs(t, farm)
	farm.Kill()
	checkDatabase(t, filepath.Join(farm.Dir, "tbfg.db"))
	t.Logf("%d times full, %d submissions refused, %d starts; %s; %d logs", rounds, refused, unable, w.tally(final), logs)
}

// work has an agent work for a while.
func (w *World) work(t *testing.T, a *Agent, random *rand.Rand, d time.Duration) {
	t.Helper()
	working, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	a.Run(working, random)
}

func (w *World) submit(t *testing.T, client *clientapi.Client, s daemon.Submission) error {
	_, err := w.Do(Event{Kind: Submit, Who: "client", Build: s.UUID, Derivation: s.Derivation, WithInputs: s.WithInputs}, func(e *Event) error {
		reply, err := client.Submit(t.Context(), s)
		if reply.Submitted != "" {
			e.Builds = []string{reply.Submitted}
		}
		e.Word = reply.NotSubmitted
		return err
	})
	return err
}

// untilFull submits builds until the disk refuses them, and a few more.
func (w *World) untilFull(t *testing.T, client *clientapi.Client, random *rand.Rand) (refused int) {
	t.Helper()
	for range 2000 {
		err := w.submit(t, client, daemon.Submission{Derivation: w.Paths[random.IntN(len(w.Paths))], UUID: randomUUID(random),
			WithInputs: random.IntN(2) == 0, Tags: []daemon.Tag{{Key: "n", Value: fmt.Sprint(random.Uint64())}}})
		if err == nil {
			continue
		}
		var status *wire.StatusError
		if !errors.As(err, &status) || status.Status/100 != 5 || status.Code == "" {
			t.Fatalf("on a full disk: got the error %v, want HTTP 5xx in JSON", err)
		}
		if refused++; refused == 5 {
			return refused
		}
	}
	t.Fatal("the disk does not get full")
	return 0
}
