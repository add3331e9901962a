//go:debug default=go1.25
package events_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// A picture is what a front end knows: it reads the state once and then lives on
// events.
type picture struct {
	id     int64
	agents map[string]wire.StateAgent
}

// farm is a coordinator whose events can be followed over HTTP.
type farm struct {
	*coordinatortest.Farm
	t   testing.TB
	url string
}

func serve(t testing.TB, f *coordinatortest.Farm) *farm {
	t.Helper()
	stream := f.Stream()
	server := httptest.NewServer(clientapi.Handler(f.Coordinator, stream, coordinatortest.Operator{}, http.NotFoundHandler()))
	t.Cleanup(server.Close)
	return &farm{f, t, server.URL}
}

// picture asks for the state.
func (f *farm) picture() picture {
	f.t.Helper()
	resp, err := http.Get(f.url + "/state")
	f.Must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	f.Must(err)
	var state wire.State
	if err := json.Unmarshal(text, &state); err != nil {
		f.t.Fatalf("got the state %s: %v", text, err)
	}
	p := picture{state.ID, make(map[string]wire.StateAgent)}
	for _, a := range state.Agents {
		if state.Plan[a.ID] != a.Planned {
			f.t.Errorf("agent %s: got the plan %d and %d", a.ID, state.Plan[a.ID], a.Planned)
		}
		p.agents[a.ID] = a
	}
	return p
}

// text is the picture in words, for comparing.
func (p picture) text() string {
	var lines []string
	for id, a := range p.agents {
		var held []string
		for _, b := range a.Allocated {
			slices.SortFunc(b.Tags, func(a, b wire.Tag) int { return strings.Compare(a.Key+"="+a.Value, b.Key+"="+b.Value) })
			held = append(held, fmt.Sprint(b))
		}
		slices.Sort(held)
		slices.SortFunc(a.Tags, func(a, b wire.Tag) int { return strings.Compare(a.Key+"="+a.Value, b.Key+"="+b.Value) })
		load := 0.0
		if a.Load1Min != nil {
			load = *a.Load1Min
		}
		lines = append(lines, fmt.Sprintf("%s name %q, %q, active %v, %s, tags %v, systems %v, %q %v %d at %s, plan %d, holds %v",
			id, a.Name, a.Description, a.Active, a.Mode, a.Tags, a.Systems, a.Status, load, a.Processors, a.StatusUpdate, a.Planned, held))
	}
	slices.Sort(lines)
	return fmt.Sprintf("%d\n%s\n", p.id, strings.Join(lines, "\n"))
}

// clone is a picture that does not change with this one.
func (p picture) clone() picture {
	agents := make(map[string]wire.StateAgent)
	for id, a := range p.agents {
		a.Allocated = slices.Clone(a.Allocated)
		agents[id] = a
	}
	return picture{p.id, agents}
}

// apply is what a front end does with an event.
func (p *picture) apply(e event) error {
	if e.id != p.id+1 {
		return fmt.Errorf("after event %d comes %d", p.id, e.id)
	}
	p.id = e.id
	drop := func(id string, builds ...string) {
		a := p.agents[id]
		a.Allocated = slices.DeleteFunc(a.Allocated, func(b wire.Allocated) bool { return slices.Contains(builds, b.UUID) })
		p.agents[id] = a
	}
	d := e.data
	switch e.name {
	case "build-submitted", "build-started":
	case "build-success", "build-failure", "build-canceled", "build-setup-failure":
		for id := range p.agents {
			drop(id, d.UUID)
		}
	case "agent-builds-allocated":
		a := p.agents[d.Agent]
		a.Allocated = append(a.Allocated, d.Builds...)
		p.agents[d.Agent] = a
	case "agent-status-update":
		a := p.agents[d.Agent]
		a.ID = d.Agent
		if d.Status != "" {
			a.Status, a.Load1Min, a.Processors, a.StatusUpdate = d.Status, d.Load1Min, d.Processors, d.Time
		}
		if d.AgentName != nil {
			a.Name, a.Description, a.Active, a.Mode, a.Tags, a.Systems = *d.AgentName, *d.Description, *d.Active, d.Mode, *d.Tags, *d.Systems
		}
		p.agents[d.Agent] = a
		drop(d.Agent, d.Released...)
	case "allocation-plan-update":
		for id, n := range *d.Plan {
			a := p.agents[id]
			a.Planned = n
			p.agents[id] = a
		}
	default:
		return fmt.Errorf("an event is called %q", e.name)
	}
	return nil
}

// An event is a frame of the stream, read as strictly as it can be.
type event struct {
	id   int64
	name string
	data wire.Event
}

// A follower is a connection to the stream.
type follower struct {
	t    testing.TB
	resp *http.Response
	r    *bufio.Reader
	end  func()
}

// follow opens the stream with a query and, unless it is empty, the header
// Last-Event-ID.
func (f *farm) follow(query, last string) *follower {
	f.t.Helper()
	ctx, end := context.WithCancel(f.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"/events"+query, nil)
	f.Must(err)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	f.Must(err)
	if resp.StatusCode != http.StatusOK {
		f.t.Fatalf("GET /events%s: got the status %d", query, resp.StatusCode)
	}
	return &follower{f.t, resp, bufio.NewReader(resp.Body), end}
}

func (f *follower) close() {
	f.end()
	f.resp.Body.Close()
}

// next is the next event; an error at the end of the stream.
func (f *follower) next() (e event, err error) {
	var lines [4]string
	for i, prefix := range []string{"id: ", "event: ", "data: ", ""} {
		line, err := f.r.ReadString('\n')
		if err != nil {
			return e, err
		}
		value, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), prefix)
		if !ok || prefix == "" && value != "" {
			return e, fmt.Errorf("got the line %q, want one with %q", line, prefix)
		}
		lines[i] = value
	}
	if e.id, err = strconv.ParseInt(lines[0], 10, 64); err != nil {
		return e, err
	}
	e.name = lines[1]
	return e, json.Unmarshal([]byte(lines[2]), &e.data)
}

// must is the next event.
func (f *follower) must() event {
	f.t.Helper()
	e, err := f.next()
	if err != nil {
		f.t.Fatalf("the stream ended: %v", err)
	}
	return e
}
