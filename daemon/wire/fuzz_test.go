package wire

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Unmarshal takes nothing that is not a JSON object, does not let a message
// grow, and what it understood means the same when it is spelled our way.
func FuzzUnmarshal(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(text) < 1000 { // the fuzzer would spend its time on shortening the others
			f.Add(text)
		}
	}
	for _, text := range []string{"", "{}", "null", `{"uuid":null,"id":1}`, `{"build-id":{"build-id":{"id":{}}}}`, `{"a-b":1,"a_b":2}`, `{} {}`, `{"1":1e999}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var tree map[string]any
		err := Unmarshal(text, &tree)
		if err == nil && (!json.Valid(text) || tree == nil) {
			t.Fatalf("got %v of %q", tree, text)
		}
		for _, message := range []func() any{
			func() any { return new(Submission) }, func() any { return new(StatusReport) }, func() any { return new(FetchRequest) },
			func() any { return new(FetchReply) }, func() any { return new(Result) }, func() any { return new(SetupFailure) },
			func() any { return new(AgentChange) }, func() any { return new(BuildDetail) }, func() any { return new(AgentList) },
		} {
			first, second := message(), message()
			if err := Unmarshal(text, first); err != nil {
				continue
			}
			plain, err := json.Marshal(first)
			if err != nil {
				t.Fatalf("%T: %v", first, err)
			}
			if err := Unmarshal(plain, second); err != nil {
				t.Fatalf("%T: %v in %s", first, err, plain)
			}
			again, err := json.Marshal(second)
			if err != nil {
				t.Fatalf("%T: %v", first, err)
			}
			if diff := cmp.Diff(string(plain), string(again)); diff != "" {
				t.Fatalf("%T (-first +second):\n%s", first, diff)
			}
		}
	})
}
