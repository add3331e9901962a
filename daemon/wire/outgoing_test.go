package wire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMarshalSpells(t *testing.T) {
	tests := []struct {
		name string
		in   any
		want string
	}{
		{"a name without underscore as it is", map[string]any{"priority": 1}, `{"priority":1}`},
		{"a name with underscores with hyphens as well", map[string]any{"end_time": 1}, `{"end-time":1,"end_time":1}`},
		{"names at every depth", map[string]any{"a": []any{map[string]any{"b_c": map[string]any{"d_e": 1}}}},
			`{"a":[{"b-c":{"d-e":1,"d_e":1},"b_c":{"d-e":1,"d_e":1}}]}`},
		{"what is listed", map[string]any{"uuid": "x"}, `{"id":"x","uuid":"x"}`},
		{"what is listed, but not over what is there", map[string]any{"uuid": "x", "id": 7}, `{"id":7,"uuid":"x"}`},
		{"what is a build's and no agent's", []any{map[string]any{"uuid": "x", "derivation_name": 1}, map[string]any{"uuid": "x", "active": true}},
			`[{"build-id":"x","build_id":"x","derivation-name":1,"derivation_name":1,"id":"x","uuid":"x"},{"active":true,"id":"x","uuid":"x"}]`},
		{"UUIDs as they are", map[string]any{bedok: 1}, `{"` + bedok + `":1}`},
		{"systems as they are", map[string]any{"x86_64-linux": 1}, `{"x86_64-linux":1}`},
		{"paths as they are", map[string]any{"/gnu/store/a_b": 1}, `{"/gnu/store/a_b":1}`},
		{"names with capitals as they are", map[string]any{"Science_Team": 1}, `{"Science_Team":1}`},
		{"values as they are", []any{"a_b", 1.5, true, nil, []any{}, map[string]any{}}, `["a_b",1.5,true,null,[],{}]`},
		{"tags as they are", Tag{"branch_name", "wip_hurd"}, `{"key":"branch_name","value":"wip_hurd"}`},
		{"times in UTC to the second", Time{noon}, `"2025-08-13 12:00:00"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Marshal(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMarshalRefusesWhatJSONCannotSay(t *testing.T) {
	if got, err := Marshal(map[string]any{"f": func() {}}); err == nil {
		t.Fatalf("got %s, want an error", got)
	}
}
