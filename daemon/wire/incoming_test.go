package wire

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

// read decodes a message into its type and says it in the farm's words.
func read[M any, D any](domain func(*M) (D, error)) func(string) (any, error) {
	return func(text string) (any, error) {
		var m M
		if err := Unmarshal([]byte(text), &m); err != nil {
			return nil, err
		}
		return domain(&m)
	}
}

// itself is for messages that have no other words.
func itself[M any](m *M) (M, error) { return *m, nil }

var (
	submission = read((*Submission).Domain)
	report     = read((*StatusReport).Domain)
	result     = read((*Result).Domain)
	failure    = read((*SetupFailure).Domain)
	fetched    = read((*FetchReply).Domain)
)

func TestEverySpellingComesIn(t *testing.T) {
	plain := daemon.Submission{Derivation: hello + ".drv", Tags: []daemon.Tag{}}
	of := func(change func(*daemon.Submission)) daemon.Submission {
		s := plain
		change(&s)
		return s
	}
	drv := `"derivation": "` + hello + `.drv"`
	tests := []struct {
		name string
		read func(string) (any, error)
		text string
		want any
	}{
		{"a submission", submission, `{` + drv + `}`, plain},
		{"its priority", submission, `{` + drv + `, "priority": 5}`, of(func(s *daemon.Submission) { s.Priority = 5 })},
		{"its URLs", submission, `{` + drv + `, "substitute_urls": ["u"]}`, of(func(s *daemon.Submission) { s.SubstituteURLs = []string{"u"} })},
		{"its URLs, hyphenated", submission, `{` + drv + `, "substitute-urls": ["u"]}`, of(func(s *daemon.Submission) { s.SubstituteURLs = []string{"u"} })},
		{"its URLs, as the command line calls them", submission, `{` + drv + `, "derivation-substitute-urls": ["u"]}`, of(func(s *daemon.Submission) { s.SubstituteURLs = []string{"u"} })},
		{"its URLs, as that and with underscores", submission, `{` + drv + `, "derivation_substitute_urls": ["u"]}`, of(func(s *daemon.Submission) { s.SubstituteURLs = []string{"u"} })},
		{"its identifier", submission, `{` + drv + `, "build-id": "x"}`, of(func(s *daemon.Submission) { s.UUID = "x" })},
		{"its identifier, with an underscore", submission, `{` + drv + `, "build_id": "x"}`, of(func(s *daemon.Submission) { s.UUID = "x" })},
		{"its identifier, as id", submission, `{` + drv + `, "id": "x"}`, of(func(s *daemon.Submission) { s.UUID = "x" })},
		{"its identifier, as uuid", submission, `{` + drv + `, "uuid": "x"}`, of(func(s *daemon.Submission) { s.UUID = "x" })},
		{"its tags", submission, `{` + drv + `, "tags": [{"key": "a_b-c", "value": "d-e_f"}]}`,
			of(func(s *daemon.Submission) { s.Tags = []daemon.Tag{{Key: "a_b-c", Value: "d-e_f"}} })},
		{"its time", submission, `{` + drv + `, "defer-until": "2025-08-13 12:00:00"}`, of(func(s *daemon.Submission) { s.NotBefore = noon })},
		{"its wishes", submission, `{` + drv + `, "ignore-if-build-for-derivation-exists": true,
			"ignore_if_build_for_outputs_exists": true, "ensure-all-related-derivation-outputs-have-builds": true}`,
			of(func(s *daemon.Submission) {
				s.SkipIfDerivationHasBuild, s.SkipIfOutputsHaveBuild, s.WithInputs = true, true, true
			})},
		{"what nobody knows", submission, `{` + drv + `, "colour": {"of": ["the", null, 1e400]}}`, plain},

		{"a report of load", report, `{"status": "idle", "load_average": {"1min": 0.5}, "processor_count": 4}`,
			daemon.AgentStatus{Status: "idle", Load1Min: 0.5, Processors: 4}},
		{"a report of load, flat", report, `{"status": "idle", "load_average_1min": 0.5}`, daemon.AgentStatus{Status: "idle", Load1Min: 0.5}},
		{"a report of load, flat and hyphenated", report, `{"status": "idle", "load-average-1min": 0.5, "processor-count": 2}`,
			daemon.AgentStatus{Status: "idle", Load1Min: 0.5, Processors: 2}},
		{"a report of both loads", report, `{"load-average": {"1min": 1}, "load_average_1min": 2}`, daemon.AgentStatus{Load1Min: 1}},

		{"a fetch", read(itself[FetchRequest]), `{"systems": ["x86_64-linux"], "target_count": 4}`,
			FetchRequest{Systems: []string{"x86_64-linux"}, Target: pointer(4)}},
		{"a fetch as of old", read(itself[FetchRequest]), `{"systems": ["x86_64-linux"], "count": 2}`,
			FetchRequest{Systems: []string{"x86_64-linux"}, Count: pointer(2)}},

		{"a setup failure", failure, `{"failure-reason": "missing_inputs", "missing_inputs": ["` + glibc + `"]}`,
			daemon.SetupFailure{Reason: "missing_inputs", MissingInputs: []storepath.Path{glibc}}},

		{"a success", result, `{"result": "success", "end-time": "2025-08-13 12:00:00", "outputs":
			[{"name": "out", "hash": "sha256:0", "size": 12345678901, "references": ["` + glibc + `"]}]}`,
			daemon.Result{Success: true, Ended: noon, Outputs: []daemon.Output{
				{Name: "out", Hash: "sha256:0", Size: 12345678901, References: []storepath.Path{glibc}}}}},
		{"a failure", result, `{"result": "failure"}`, daemon.Result{}},

		{"builds as upstream is thought to send them", fetched, `{"builds": [{"uuid": "x", "derivation-name": "` + hello + `.drv", "derived_priority": 3}]}`,
			[]daemon.Allocation{{UUID: "x", Derivation: hello + ".drv", KeepOutput: true}}},
		{"builds whose outputs are not wanted", fetched, `{"builds": [{"id": "x", "derivation_name": "` + hello + `.drv", "submit-outputs": false}]}`,
			[]daemon.Allocation{{UUID: "x", Derivation: hello + ".drv"}}},
		{"builds whose outputs may be wanted", fetched, `{"builds": [{"uuid": "x", "derivation_name": "` + hello + `.drv", "submit_outputs": null}]}`,
			[]daemon.Allocation{{UUID: "x", Derivation: hello + ".drv", KeepOutput: true}}},

		{"a new agent", read(itself[NewAgentRequest]), `{"id": "x", "name": "bedok"}`, NewAgentRequest{ID: "x", Name: "bedok"}},
		{"a new agent's identifier", read(itself[NewAgentReply]), `{"agent-id": "x"}`, NewAgentReply{"x"}},
		{"a new password", read(itself[NewPasswordReply]), `{"new-password": "x"}`, NewPasswordReply{"x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.read(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOfSeveralSpellingsTheNearestToOursCounts(t *testing.T) {
	type message struct {
		URLs []string `json:"substitute_urls"`
		UUID string   `json:"uuid"`
	}
	tests := []struct {
		name, text string
		want       message
	}{
		{"ours before hyphens", `{"substitute-urls": ["hyphens"], "substitute_urls": ["ours"]}`, message{URLs: []string{"ours"}}},
		{"hyphens before another word", `{"derivation-substitute-urls": ["word"], "substitute-urls": ["hyphens"]}`, message{URLs: []string{"hyphens"}}},
		{"ours before another word", `{"derivation_substitute_urls": ["word"], "substitute_urls": ["ours"]}`, message{URLs: []string{"ours"}}},
		{"ours before words that come earlier in the alphabet", `{"id": "id", "build_id": "build", "uuid": "ours"}`, message{UUID: "ours"}},
		{"whatever their order", `{"uuid": "ours", "id": "id", "build-id": "build"}`, message{UUID: "ours"}},
		{"of two other words the first in the alphabet", `{"id": "id", "build-id": "build"}`, message{UUID: "build"}},
		{"null does not count", `{"uuid": null, "id": "id", "substitute_urls": null, "substitute-urls": ["hyphens"]}`,
			message{[]string{"hyphens"}, "id"}},
		{"of two of the same the last, as JSON has it", `{"uuid": "first", "uuid": "last"}`, message{UUID: "last"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got message
			if err := Unmarshal([]byte(tt.text), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNullSaysNothing(t *testing.T) {
	r := FetchRequest{Systems: []string{"before"}, Target: pointer(1)}
	if err := Unmarshal([]byte(`{"systems": null, "target_count": null, "wait_seconds": null}`), &r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(FetchRequest{Systems: []string{"before"}, Target: pointer(1)}, r); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	got, err := submission(`{"derivation": "` + hello + `.drv", "defer-until": null, "tags": null}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(daemon.Submission{Derivation: hello + ".drv", Tags: []daemon.Tag{}}, got); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	const much = 1_000_000
	tests := []struct{ name, text, want string }{
		{"nothing", "", "EOF"},
		{"blanks", " \n", "EOF"},
		{"a part", `{"uuid": "x"`, "unexpected EOF"},
		{"no JSON", "uuid=x", "invalid character"},
		{"a page", "<html></html>", "invalid character"},
		{"an array", "[]", "want a JSON object"},
		{"a string", `"uuid"`, "want a JSON object"},
		{"null", "null", "want a JSON object"},
		{"something behind it", `{} {}`, "something follows"},
		{"a brace behind it", `{}}`, "something follows"},
		{"a NUL behind it", "{}\x00", "something follows"},
		{"another type", `{"priority": "high"}`, "priority"},
		{"a fraction for a whole number", `{"priority": 1.5}`, "priority"},
		{"a number out of range", `{"priority": 9223372036854775808}`, "priority"},
		{"a time that is none", `{"defer-until": "tomorrow"}`, "tomorrow"},
		{"a number for a time", `{"defer-until": 1755086400}`, "a time must be a string"},
		{"objects within objects without end", strings.Repeat(`{"a":`, much), "exceeded max depth"},
		{"arrays within arrays without end", `{"a":` + strings.Repeat(`[`, much), "exceeded max depth"},
		{"a million objects, closed", strings.Repeat(`{"a":`, much) + "1" + strings.Repeat("}", much), "exceeded max depth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s Submission
			if err := Unmarshal([]byte(tt.text), &s); err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 500 {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// A field under two names would double what it holds, and what that holds,
// and so on.
func TestNestedSpellingsDoNotMultiply(t *testing.T) {
	text := strings.Repeat(`{"build-id":`, 5000) + "1" + strings.Repeat("}", 5000)
	var got struct {
		UUID json.RawMessage `json:"uuid"`
	}
	if err := Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.UUID) > len(text) {
		t.Fatalf("%d bytes became %d", len(text), len(got.UUID))
	}
}

func TestNumbersKeepTheirPrecision(t *testing.T) {
	got, err := result(`{"result": "success", "outputs": [{"name": "out", "size": 9223372036854775807}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if size := got.(daemon.Result).Outputs[0].Size; size != 9223372036854775807 {
		t.Fatalf("came in: got %d", size)
	}
	text, err := Marshal(BuildOutput{Size: 9007199254740993})
	if err != nil || !strings.Contains(string(text), `"size":9007199254740993`) {
		t.Fatalf("went out: got %s, %v", text, err)
	}
}

func TestDomainsRefuse(t *testing.T) {
	tests := []struct {
		name string
		read func(string) (any, error)
		text string
	}{
		{"a derivation that is no path", submission, `{"derivation": "hello.drv"}`},
		{"no derivation", submission, `{}`},
		{"a result of another kind", result, `{"result": "maybe"}`},
		{"no result", result, `{}`},
		{"a reference that is no path", result, `{"result": "success", "outputs": [{"references": ["glibc"]}]}`},
		{"a missing input that is no path", failure, `{"missing_inputs": ["/gnu/store/../../etc/passwd"]}`},
		{"a status that is a novel", report, `{"status": "` + strings.Repeat("x", 65) + `"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := tt.read(tt.text); daemon.CodeOf(err) != daemon.Invalid {
				t.Fatalf("got %v, %v, want an invalid message", got, err)
			}
		})
	}
	if got, err := fetched(`{"builds": [{"derivation_name": "hello"}]}`); err == nil {
		t.Fatalf("a derivation that is no path, from the coordinator: got %v, want an error", got)
	}
}

// What goes out comes in as it was, in every spelling and in one.
func TestWhatGoesOutComesInAsItWas(t *testing.T) {
	for name, check := range map[string]func(text string) (got, want any, err error){
		"requests/submission": func(text string) (any, any, error) { got, err := submission(text); return got, fullSubmission, err },
		"requests/result": func(text string) (any, any, error) {
			want := fullResult
			want.Outputs = []daemon.Output{want.Outputs[0]}
			want.Outputs[0].Path = "" // follows from the derivation
			got, err := result(text)
			return got, want, err
		},
		"requests/setup-failure": func(text string) (any, any, error) {
			got, err := failure(text)
			return got, daemon.SetupFailure{Reason: daemon.MissingInputs, MissingInputs: []storepath.Path{glibc}}, err
		},
		"replies/fetch-builds-reply": func(text string) (any, any, error) {
			got, err := fetched(text)
			return got, []daemon.Allocation{fullAllocation, {UUID: build, Derivation: hello + ".drv"}}, err
		},
		"replies/build": func(text string) (any, any, error) {
			got, err := read(itself[BuildDetail])(text)
			return got, NewBuildDetail(fullDetail), err
		},
		"replies/agents": func(text string) (any, any, error) {
			got, err := read(itself[AgentList])(text)
			return got, replies["agents"], err
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			got, want, err := check(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		})
	}
}
