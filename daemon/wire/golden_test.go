package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

var noon = time.Date(2025, 8, 13, 12, 0, 0, 0, time.UTC)

const (
	hello = "/gnu/store/0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix-hello-2.12"
	glibc = "/gnu/store/1c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix-glibc-2.41"
	bedok = "e092df28-3418-4f94-b7f0-a214b03291ee"
	build = "7bdd2249-1214-431a-aa61-de4d907f1b32"
)

// Builds and agents with everything that they can have.
var (
	fullBuild = daemon.Build{UUID: build, Derivation: hello + ".drv", System: "x86_64-linux", State: daemon.Failed, Priority: -3, Derived: 5,
		Created: noon, Ended: noon.Add(time.Hour), NotBefore: noon.Add(time.Minute), Agent: bedok,
		Tags: []daemon.Tag{{Key: "branch_name", Value: "science-team"}}, BlockedBy: []string{"blocking"}}
	fullAllocation = daemon.Allocation{UUID: build, Derivation: hello + ".drv", Priority: 7, KeepOutput: true}
	fullAgent      = daemon.Agent{ID: bedok, Name: "bedok", Description: "TBFG agent", Active: true, Mode: daemon.Draining,
		Tags: []daemon.Tag{{Key: "place", Value: "cupboard"}}, Systems: []string{"i686-linux", "x86_64-linux"},
		Allocated: []daemon.Allocation{fullAllocation},
		Status:    &daemon.AgentStatus{Status: "running", Load1Min: 3.75, Processors: 4, Time: noon}}
	fullDetail = daemon.BuildDetail{Build: fullBuild,
		Outputs:       []daemon.Output{{Name: "out", Path: hello, Hash: "sha256:0sg9f5", Size: 226_560, References: []storepath.Path{glibc, hello}}},
		Starts:        []daemon.Start{{Agent: bedok, Time: noon}},
		SetupFailures: []daemon.SetupFailure{{Agent: bedok, Reason: daemon.MissingInputs, MissingInputs: []storepath.Path{glibc}, Time: noon}},
		FailureReason: "the builder failed", WaitsFor: []string{"awaited"}}
	fullSubmission = daemon.Submission{Derivation: hello + ".drv", SubstituteURLs: []string{"https://data.guix.gnu.org"}, Priority: 5,
		UUID: build, Tags: []daemon.Tag{{Key: "branch", Value: "master"}}, NotBefore: noon,
		SkipIfDerivationHasBuild: true, SkipIfOutputsHaveBuild: true, WithInputs: true}
	fullCollection = daemon.CollectionStatus{Collection: daemon.Collection{Name: "science", Source: daemon.FromGuix, URL: "https://data.guix.gnu.org",
		Repository: "1", Branch: "master", Revision: "7c2f37388796", Guix: "/usr/bin/guix", Channels: "/channels.scm", LoadPath: []string{"/modules"},
		Manifests: []string{"/manifest.scm"}, File: "/drvs", Packages: []string{"hello", "python-*"}, Modules: []string{"gnu/packages/maths.scm"},
		Team: "science", Systems: []string{"x86_64-linux"}, Targets: []string{"aarch64-linux-gnu"}, Priority: -5, WithInputs: true, Schedule: "mon 04:30"},
		Declared: true, Updating: true, Attempted: noon.Add(time.Hour), Updated: noon, Trouble: "no answer",
		Latest: daemon.Evaluation{Number: 7, Revision: "7c2f37388796", Time: noon}}
	fullResult = daemon.Result{Success: true, Ended: noon, Outputs: fullDetail.Outputs}
)

func pointer[T any](v T) *T { return &v }

// requests go out as our clients send them, in our spelling: the other side
// is our coordinator, or one that is thought to spell as we do.
var requests = map[string]any{
	"status-report":    StatusReport{Status: "running", LoadAverage: &LoadAverage{3.75}, Load1Min: pointer(3.75), Processors: 4, InitialStatus: true},
	"fetch-builds":     FetchRequest{Systems: []string{"x86_64-linux"}, Target: pointer(4), Count: pointer(2), Wait: 30, Held: []string{build}},
	"setup-failure":    NewSetupFailure(fullDetail.SetupFailures[0]),
	"rotate-secret":    RotateRequest{"agents/bedok.token"},
	"result":           NewResult(fullResult),
	"result-failed":    NewResult(daemon.Result{Ended: noon, Reason: "the builder failed"}),
	"submission":       NewSubmission(fullSubmission),
	"submission-plain": NewSubmission(daemon.Submission{Derivation: hello + ".drv"}),
	"new-agent":        NewAgentRequest{ID: bedok, Name: "bedok", Description: "TBFG agent"},
	"change-agent": AgentChange{Name: pointer("bedok"), Description: pointer(""), Active: pointer(false),
		Mode: pointer(daemon.Paused), Tags: &[]Tag{{"a", "b"}}},

	"cancel":   CancelRequest{UnlessRequired: true},
	"priority": PriorityRequest{pointer(int64(0))},
	"cancel-builds": CancelBuilds{Tags: []string{"branch:wip", "set"}, NotTags: []string{"keep"}, Systems: []string{"x86_64-linux"},
		NotSystems: []string{"i686-linux"}, PriorityAbove: pointer(int64(-1)), PriorityBelow: pointer(int64(9)), CreatedAfter: Time{noon},
		CreatedBefore: Time{noon.Add(time.Hour)}, Derivation: hello + ".drv", UnstartedOnly: true, UnlessRequired: true, All: true},
	"cancel-builds-plain": CancelBuilds{},
	"retry":               RetryRequest{WithBlocked: true},
	"enrol":               EnrolRequest{"bedok", "OTCKFLsB5QRq8XBnZ3nCDAxYLbA4F4kxGz7JPBkU"},
	"new-token":           NewTokenRequest{Description: "cloud", ExpiresIn: 90, Expires: Time{noon}},
	"new-token-plain":     NewTokenRequest{},
	"retry-hooks":         RetryHooksRequest{ID: 7},
	"retry-hooks-all":     RetryHooksRequest{All: true},
	"collection":          fullCollection.Collection,
	"update-collection":   UpdateCollection{DryRun: true},
}

// replies go out in every spelling.
var replies = map[string]any{
	"fetch-builds-reply":   FetchReply{Builds: Allocations([]daemon.Allocation{fullAllocation, {UUID: build, Derivation: hello + ".drv"}}), Gone: []string{build}, Waits: true},
	"fetch-builds-nothing": FetchReply{Builds: Allocations(nil)},
	"agents":               AgentList{[]Agent{NewAgent(fullAgent), NewAgent(daemon.Agent{ID: bedok})}},
	"new-agent-reply":      NewAgentReply{bedok},
	"new-password-reply":   NewPasswordReply{"IUwGrsEklfu0kVf_QquCOdzfa6-P52qPlcwBd5YB"},
	"passwords":            PasswordList{[]Time{{noon}, {noon.Add(time.Hour)}}},
	"submitted":            SubmissionReply{Submitted: build, Inputs: 12},
	"not-submitted":        SubmissionReply{NotSubmitted: daemon.OutputHasBuild},
	"builds":               BuildList{[]Build{NewBuild(fullBuild), NewBuild(daemon.Build{UUID: build, State: daemon.Ready})}},
	"build":                NewBuildDetail(fullDetail),
	"build-plain":          NewBuildDetail(daemon.BuildDetail{Build: daemon.Build{UUID: build, State: daemon.Succeeded}}),
	"result":               ResultReply{daemon.BuildRequiredByAnother},
	"cancel-builds-reply":  CancelBuildsReply{12},
	"retry-reply":          RetryReply{[]string{build}},
	"blocking":             BlockingList{[]BlockingBuild{NewBlockingBuild(fullBuild, 7)}, 57},
	"output":               NewOutputDetail(hello, []storepath.Path{hello + ".drv"}, []daemon.Build{fullBuild}),
	"setup-failures": NewSetupFailureList([]daemon.ListedSetupFailure{{SetupFailure: fullDetail.SetupFailures[0], ID: 7, Build: build,
		Derivation: hello + ".drv", Missing: 21}}),
	"enrol-reply":     EnrolReply{bedok, bedok, "IUwGrsEklfu0kVf_QquCOdzfa6-P52qPlcwBd5YB"},
	"new-token-reply": NewTokenReply{"OTCKFLsB5QRq8XBnZ3nCDAxYLbA4F4kxGz7JPBkU"},
	"tokens": NewTokenList([]daemon.Token{{ID: 1, Description: "cloud", Created: noon, Expires: noon.Add(time.Hour)},
		{ID: 2, Created: noon}}),
	"hooks": HookEventList{[]HookEvent{NewHookEvent(daemon.HookEvent{ID: 7, Hook: "tell", Event: daemon.BuildSuccess, Subject: build,
		Arguments: []byte(`{"event":"build-success","build_id":"x"}`), Created: noon, Attempts: 3, NotBefore: noon.Add(time.Hour), Parked: true,
		Error: "exit status 1"})}},
	"retry-hooks-reply": RetryHooksReply{3},
	"status":            NewFarmStatus(errors.New("the disk is full"), 2, map[daemon.State]int{daemon.Ready: 12}, []daemon.Agent{fullAgent, {ID: bedok}}),
	"status-good":       NewFarmStatus(nil, 0, nil, nil),
	"log-size":          LogSize{1 << 40},
	"reload-reply":      ConfigStatus{"/etc/tbfg/config.toml", []string{"log_level"}, []string{"state_dir"}, "it is wrong"},
	"secrets":           SecretList{[]Secret{{"client.token", "/var/lib/tbfg/secrets/client.token", "what for", Time{noon}}}},
	"collections":       CollectionList{[]Collection{NewCollection(fullCollection), NewCollection(daemon.CollectionStatus{})}},
	"state":             NewState(daemon.Picture{ID: 17, Agents: []daemon.Agent{fullAgent, {ID: bedok}}}),
	"error":             ErrorBody{AlreadyProcessed, "the build is failed already"},
}

// The bytes that others read: review reads the differences.
func TestGoldens(t *testing.T) {
	golden := make(map[string]bool)
	for _, kind := range []struct {
		dir      string
		messages map[string]any
		encode   func(any) ([]byte, error)
	}{{"requests", requests, json.Marshal}, {"replies", replies, Marshal}} {
		for name, message := range kind.messages {
			file := filepath.Join("testdata", kind.dir, name+".json")
			golden[file] = true
			t.Run(kind.dir+"/"+name, func(t *testing.T) {
				plain, err := kind.encode(message)
				if err != nil {
					t.Fatal(err)
				}
				var got bytes.Buffer
				if err := json.Indent(&got, plain, "", "  "); err != nil {
					t.Fatal(err)
				}
				got.WriteByte('\n')
				if *update {
					if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got.String()); diff != "" {
					t.Fatalf("%s (-want +got):\n%s", file, diff)
				}
			})
		}
	}
	files, err := filepath.Glob("testdata/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !golden[file] {
			t.Errorf("%s is no message's", file)
		}
	}
}

// events are one of each kind, with everything that it can have.
var events = []daemon.Event{
	buildEvent(daemon.Event{Name: daemon.BuildSubmitted, NotBefore: noon}),
	buildEvent(daemon.Event{Name: daemon.BuildStarted, Agent: bedok}),
	buildEvent(daemon.Event{Name: daemon.BuildSuccess, Agent: bedok}),
	buildEvent(daemon.Event{Name: daemon.BuildFailure, Agent: bedok, FailureReason: "the builder\nfailed"}),
	buildEvent(daemon.Event{Name: daemon.BuildSetupFailure, Agent: bedok, FailureReason: daemon.MissingInputs, MissingInputs: []storepath.Path{glibc}}),
	buildEvent(daemon.Event{Name: daemon.BuildCanceled}),
	{Name: daemon.BuildsAllocated, Agent: bedok, Builds: []daemon.Allocation{{UUID: build, Derivation: hello + ".drv", Tags: fullBuild.Tags}}},
	{Name: daemon.AgentUpdated, Agent: bedok, Report: fullAgent.Status},
	{Name: daemon.AgentUpdated, Agent: bedok, Report: fullAgent.Status, Released: []string{build}},
	{Name: daemon.AgentUpdated, Agent: bedok, Details: &daemon.AgentDetails{Name: "bedok", Description: "TBFG agent", Mode: daemon.Paused,
		Tags: fullAgent.Tags, Systems: fullAgent.Systems}},
	{Name: daemon.PlanUpdated, Plan: map[string]int{bedok: 3}},
}

func buildEvent(e daemon.Event) daemon.Event {
	e.Build, e.Derivation, e.System, e.Priority, e.Tags = build, hello+".drv", "x86_64-linux", -3, fullBuild.Tags
	return e
}

// The stream to the byte: a reader may be strict.
func TestFrames(t *testing.T) {
	var got []byte
	kinds := make(map[string]bool)
	for i, e := range events {
		e.ID, e.Time, kinds[e.Name] = int64(i+1), noon, true
		frame, err := Frame(e)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(frame, []byte("\n")); n != 4 || !bytes.HasSuffix(frame, []byte("\n\n")) {
			t.Errorf("got the frame %q, want three lines and a blank one", frame)
		}
		got = append(got, frame...)
	}
	if len(kinds) != len(eventNames) {
		t.Errorf("%d of %d kinds are in the golden", len(kinds), len(eventNames))
	}
	const golden = "testdata/events.txt"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", golden, diff)
	}
}

// A message that is not in a golden would change unseen.
func TestEveryMessageIsInAGolden(t *testing.T) {
	seen := make(map[string]bool)
	for _, messages := range []map[string]any{requests, replies} {
		for _, message := range messages {
			collect(reflect.TypeOf(message), seen)
		}
	}
	collect(reflect.TypeFor[Event](), seen) // see TestFrames
	for _, name := range messageTypes(t) {
		if !seen[name] {
			t.Errorf("the type %s is in no golden", name)
		}
	}
}

// Fields whose name is an accepted spelling of another would never be filled.
func TestNoFieldIsNamedLikeAnotherOnesSpelling(t *testing.T) {
	for _, messages := range []map[string]any{requests, replies} {
		for message := range messages {
			for name := range fields(reflect.TypeOf(messages[message])) {
				if ours, distance := ourName(name); distance != 0 {
					t.Errorf("%s: the field %s is read as %s", message, name, ours)
				}
			}
		}
	}
}

// collect notes the names of a type and of those of its fields.
func collect(t reflect.Type, seen map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		collect(t.Elem(), seen)
	case reflect.Struct:
		seen[t.Name()] = true
		for field := range t.NumField() {
			collect(t.Field(field).Type, seen)
		}
	}
}

// fields are the names that a type and what is in it have in JSON.
func fields(t reflect.Type) map[string]bool {
	names := make(map[string]bool)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return fields(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
				names[name] = true
			}
			for name := range fields(t.Field(i).Type) {
				names[name] = true
			}
		}
	}
	return names
}
