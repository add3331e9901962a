package history

import (
	"math/rand/v2"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/event"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// tale is a short history: a build of a derivation and one of its input go
// well, and a third one is canceled.
type tale struct {
	*World
	Account
	top, input storepath.Path
}

func (h *tale) add(e Event) *Event {
	h.now++
	e.Sent = h.now
	if e.Status == 0 {
		e.Status = 200
	}
	if e.Status > 0 {
		h.now++
		e.Answered = h.now
	} else {
		e.Status = 0
	}
	h.events = append(h.events, &e)
	return &e
}

// no answer is the status of an event that had none.
const noAnswer = -1

func newTale(t *testing.T) *tale {
	t.Helper()
	g, err := NewGraph(rand.New(rand.NewPCG(1, 1)), 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	h := &tale{World: &World{Graph: g}, Account: Account{Drained: true}}
	h.top = g.Paths[3]
	h.input = g.Known[h.top].Inputs[0].Path
	h.Known[h.top].Inputs = h.Known[h.top].Inputs[:1]
	h.add(Event{Kind: Submit, Who: "me", Build: "input", Derivation: h.input, Builds: []string{"input"}})
	h.add(Event{Kind: Submit, Who: "me", Build: "top", Derivation: h.top, Builds: []string{"top"}})
	h.add(Event{Kind: Submit, Who: "me", Build: "other", Derivation: h.top, Builds: []string{"other"}})
	h.add(Event{Kind: Cancel, Who: "me", Build: "other", Word: daemon.BuildWasCanceled})
	h.add(Event{Kind: Fetch, Who: "bedok", Target: 1, Builds: []string{"input"}})
	h.add(Event{Kind: Start, Who: "bedok", Build: "input"})
	h.add(Event{Kind: Result, Who: "bedok", Build: "input", Success: true})
	h.add(Event{Kind: Fetch, Who: "bedok", Target: 1, Builds: []string{"top"}})
	h.add(Event{Kind: Start, Who: "bedok", Build: "top"})
	h.add(Event{Kind: Result, Who: "bedok", Build: "top", Success: true})
	for _, e := range h.events {
		if e.Kind != Result {
			continue
		}
		r, drv := daemon.Result{Success: true}, map[string]storepath.Path{"input": h.input, "top": h.top}[e.Build]
		for _, o := range h.Known[drv].Outputs {
			r.Outputs = append(r.Outputs, daemon.Output{Name: o.Name, Hash: HashOf(e.Build, o.Name)})
		}
		e.report(r)
	}
	for _, b := range []wire.BuildDetail{
		{Build: wire.Build{UUID: "input", Derivation: h.input, State: daemon.Succeeded, Processed: true, Result: wire.Success, Agent: "bedok"}},
		{Build: wire.Build{UUID: "top", Derivation: h.top, State: daemon.Succeeded, Processed: true, Result: wire.Success, Agent: "bedok"}},
		{Build: wire.Build{UUID: "other", Derivation: h.top, State: daemon.Canceled, Canceled: true}},
	} {
		if b.Processed {
			b.Starts = []wire.Start{{Agent: "bedok"}}
		}
		for _, o := range h.Known[b.Derivation].Outputs {
			out := wire.BuildOutput{Name: o.Name}
			if b.Processed {
				out.Hash = HashOf(b.UUID, o.Name)
			}
			b.Outputs = append(b.Outputs, out)
		}
		h.Builds = append(h.Builds, b)
	}
	for _, uuid := range []string{"input", "other", "top"} {
		h.tell(event.BuildSubmitted, uuid)
		if uuid == "other" {
			h.tell(event.BuildCanceled, uuid)
			continue
		}
		h.tell(event.BuildStarted, uuid)
		h.tell(event.BuildSuccess, uuid)
	}
	return h
}

func (h *tale) tell(name, build string) { h.Told = append(h.Told, Told{name, build}) }

// at is the event that is the nth of its kind about a build, from 0.
func (h *tale) at(kind Kind, build string) *Event {
	for _, e := range h.events {
		if e.Kind == kind && (e.Build == build || kind == Fetch && e.Builds[0] == build) {
			return e
		}
	}
	panic("there is no " + string(kind) + " of " + build)
}

func TestTheCheckerSees(t *testing.T) {
	for _, tt := range []struct {
		name string
		lie  func(h *tale)
		want string // part of what is wrong; empty for nothing
	}{
		{"that all is well", func(*tale) {}, ""},
		{"a build that is lost", func(h *tale) { h.Builds = h.Builds[:2] }, "build other was lost"},
		{"a build that is lost after a repeated submission", func(h *tale) {
			h.add(Event{Kind: Submit, Build: "gone", Derivation: h.top, Status: 409})
		}, "build gone was lost"},
		{"that a build need not be there that nobody acknowledged", func(h *tale) {
			h.add(Event{Kind: Submit, Build: "gone", Derivation: h.top, Status: noAnswer})
		}, ""},
		{"a build that is there twice", func(h *tale) { h.Builds = append(h.Builds, h.Builds[0]) }, "listed twice"},
		{"a build that nobody asked for", func(h *tale) {
			b := h.Builds[0]
			b.UUID, b.Outputs, b.Starts = "ghost", nil, nil
			h.Builds = append(h.Builds, b)
		}, "nobody asked for build ghost"},
		{"a build of another derivation", func(h *tale) { h.Builds[2].Derivation = h.input }, "but was submitted for"},
		{"a build that does not end", func(h *tale) { h.Builds[2].State = daemon.Ready }, "build other is ready"},
		{"a block without a reason", func(h *tale) { h.Builds[2].State = daemon.Blocked }, "blocked by nothing"},
		{"a result that is lost", func(h *tale) { h.Builds[1].Result, h.Builds[1].Agent = "", "" }, "the success of build top by bedok"},
		{"a second result", func(h *tale) {
			h.add(Event{Kind: Result, Who: "bedok", Build: "top", Success: false})
		}, "the failure of build top by bedok was acknowledged"},
		{"a result that nobody reported", func(h *tale) { h.at(Result, "top").Status = 400 }, "but nobody said so"},
		{"a cancellation that is lost", func(h *tale) { h.Builds[2].Canceled = false }, "that build other is canceled"},
		{"outputs that are lost", func(h *tale) { h.Builds[1].Outputs[0].Hash = "" }, "has the hash"},
		{"a start that is lost", func(h *tale) { h.Builds[1].Starts = nil }, "has 0 of start"},
		{"an event that was not told", func(h *tale) { h.Told = h.Told[:len(h.Told)-1] }, "told 0 times build-success of build top"},
		{"that an event may be told twice", func(h *tale) { h.Told = append(h.Told, h.Told[1], h.Told[0]) }, ""},
		{"an event that did not happen", func(h *tale) { h.tell(event.BuildFailure, "top") }, "told build-failure of build top, which is succeeded"},
		{"a start that did not happen", func(h *tale) { h.tell(event.BuildStarted, "other") }, "which happened 0 times"},
		{"an event of no build", func(h *tale) { h.tell(event.BuildSubmitted, "ghost") }, "which is not there"},
		{"a start that is told after the end", func(h *tale) { h.Told[1], h.Told[2] = h.Told[2], h.Told[1] }, "after 0 times build-started"},
		{"a submission that is told late", func(h *tale) { h.Told[0], h.Told[1] = h.Told[1], h.Told[0] }, "the first that hooks were told of build input"},
		{"that a setup failure may be repeated", func(h *tale) {
			h.Builds[1].SetupFailures = []wire.FailureEvent{{Agent: "bedok", Reason: "x"}}
			e := h.at(Start, "top")
			*e = Event{Kind: SetupFailure, Who: "bedok", Build: "top", Sent: e.Sent, Answered: e.Answered, Status: 200}
			h.Builds[1].Starts = nil
			h.Told[6] = Told{event.BuildMissingInputs, "top"}
			h.Builds[1].SetupFailures[0].Reason = daemon.MissingInputs
			h.add(Event{Kind: SetupFailure, Who: "bedok", Build: "top"})
		}, ""},
		{"a setup failure that is lost after another", func(h *tale) {
			h.add(Event{Kind: Submit, Who: "me", Build: "late", Derivation: h.input, Builds: []string{"late"}})
			b := h.Builds[0]
			b.UUID, b.Result, b.Agent, b.Processed, b.State, b.Starts = "late", "", "", false, daemon.Ready, nil
			b.Outputs = []wire.BuildOutput{{Name: b.Outputs[0].Name}}
			b.SetupFailures = []wire.FailureEvent{{Agent: "bedok", Reason: "x"}}
			h.Builds, h.Drained, h.Told = append(h.Builds, b), false, nil
			for range 2 {
				h.add(Event{Kind: Fetch, Who: "bedok", Target: 1, Builds: []string{"late"}})
				h.add(Event{Kind: SetupFailure, Who: "bedok", Build: "late"})
			}
		}, "has 1 of setup failure"},
		{"a report of one who held nothing", func(h *tale) {
			h.add(Event{Kind: Log, Who: "intruder", Build: "top"})
		}, "who did not hold it"},
		{"an agent above its limit", func(h *tale) { h.at(Fetch, "top").Target = 0 }, "but wants 0"},
		{"a build that is handed out after its end", func(h *tale) {
			h.add(Event{Kind: Fetch, Who: "bedok", Target: 1, Builds: []string{"top"}})
		}, "although it had ended"},
		{"a build that is said to be gone", func(h *tale) {
			h.at(Fetch, "input").Gone = []string{"top"}
		}, "which it holds"},
		{"a build that two agents hold", func(h *tale) {
			e := h.at(Start, "top")
			*e = Event{Kind: Fetch, Who: "marina", Target: 1, Builds: []string{"top"}, Sent: e.Sent, Answered: e.Answered, Status: 200}
			h.Builds[1].Starts = nil
		}, "while bedok held it"},
		{"that a build may move from an agent that was silent", func(h *tale) {
			e := h.at(Start, "top")
			*e = Event{Kind: Fetch, Who: "marina", Target: 1, Builds: []string{"top"}, Sent: e.Sent, Answered: e.Answered, Status: 200}
			h.Builds[1].Starts = nil
			h.Losses = map[string]map[string]int{"top": {"bedok": 1}}
			h.Told[6] = h.Told[5]
		}, ""},
		{"a build that is handed out before its inputs", func(h *tale) {
			e := h.at(Start, "input")
			*e = Event{Kind: Fetch, Who: "marina", Target: 1, Builds: []string{"top"}, Sent: e.Sent, Answered: e.Answered, Status: 200}
			h.Builds[0].Starts = nil
		}, "before its input"},
		{"a build that is handed out although its input failed", func(h *tale) {
			h.at(Result, "input").Success = false
			h.Builds[0].Result, h.Builds[0].Outputs = wire.Failure, nil
		}, "before its input"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newTale(t)
			tt.lie(h)
			got := strings.Join(h.Check(h.Account), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want one with %q", got, tt.want)
			}
		})
	}
}
