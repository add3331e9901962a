package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
)

// The farm is killed at random moments while agents and clients keep it busy.
// TBFG_KILLS says how often, TBFG_SEED repeats the same dice.
func TestKillNine(t *testing.T) {
	kills := number(t, "TBFG_KILLS", 110)
	seed := seed(t)
	scribe := NewScribe(t)
	w, farm := newWorld(t, seed, 8, 36, func(conf *config.Config) {
		if err := scribe.Configure(conf); err != nil {
			t.Fatal(err)
		}
	})
	crowd := w.newCrowd(t)
	began := time.Now()

	working, stop := context.WithCancel(t.Context())
	defer stop()
	var agents, clients sync.WaitGroup
	dice := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }
	staff := []*Agent{
		w.newAgent(t, "bedok", 4, Systems...),
		w.newAgent(t, "marina", 3, Systems[0], Systems[1]),
		w.newAgent(t, "tampines", 2, Systems[2]),
		w.newAgent(t, "yishun", 1, Systems[0]),
	}
	staff = append(staff, crowd.hire(t, dice(3), "punggol", 2, Systems[1:]...))
	work := func() {
		for i, a := range staff {
			agents.Go(func() { a.Run(working, dice(uint64(100+i))) })
		}
	}
	work()
	intruder := w.newAgent(t, "intruder", 0)
	tokens := make(chan struct{}, 10*kills)
	for i := range 3 {
		c := &Client{w, fmt.Sprint("client", i), clientapi.NewClient(w.ClientURL)}
		clients.Go(func() { c.Run(working, dice(uint64(200+i)), tokens) })
	}
	random, early := dice(2), 0
	for i := range kills {
		for range 8 {
			tokens <- struct{}{}
		}
		if i%5 == 0 {
			clients.Go(func() { intruder.Intrude(working, dice(uint64(1000+i)), 5) })
			clients.Go(func() { crowd.Enrol(working, dice(uint64(2000+i)), fmt.Sprint("cloud", i%4)) })
		}
		pause := time.NewTimer(time.Duration(5+random.IntN(295)) * time.Millisecond)
		select {
		case <-pause.C:
		case <-farm.Died():
			t.Fatal("the farm died by itself")
		}
		farm.Kill()
		if random.IntN(10) == 0 {
			early++
			farm.FalseStart(time.Duration(random.IntN(60)) * time.Millisecond)
		}
		farm.Start()
	}
	close(tokens)
	clients.Wait()
	stop()
	agents.Wait()
	busy := time.Since(began)

	// In the middle of it a restart changes nothing that can be seen.
	w.settle(t)
	w.sameAfterKill(t, farm, w.view(t))

	// Then everything comes to its end.
	working, stop = context.WithCancel(t.Context())
	defer stop()
	work()
	w.drain(t)
	stop()
	agents.Wait()
	final := w.view(t)
	w.sameAfterKill(t, farm, final)
	told := w.told(t, scribe)
	w.verdict(t, Account{Builds: final, Told: told, Drained: true})
	enrolled := crowd.check(t, farm)
	logs := w.checkLogs(t, farm)
	farm.Kill()
	checkDatabase(t, filepath.Join(farm.Dir, "tbfg.db"))
	t.Logf("%d kills and %d while it started, in %.1f s; %s; %d logs, %d events told, %d machines enrolled",
		kills, early, busy.Seconds(), w.tally(final), logs, len(told), enrolled)
}
