package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// spellings lists, by the name in our struct tags, what else a field of an
// outgoing object is called. Every name with an underscore, here or in a
// struct tag, goes out with hyphens as well without being listed.
var spellings = map[string][]string{
	"uuid": {"id"},

	"new_password":   {"password"},
	"token":          {"dynamic_auth_token"},
	"blocking_count": {"blocked_builds_count"},
}

// buildSpellings are those of objects that name a derivation, which are
// builds: an agent's UUID is no build's.
var buildSpellings = map[string][]string{"uuid": {"build_id"}}

// accepted lists what a field of an incoming object may be called besides
// our name for it; underscores and hyphens count as the same. No field of ours
// can have one of these names.
var accepted = map[string][]string{
	"substitute_urls":                  {"derivation_substitute_urls"},
	"uuid":                             {"id", "build_id"},
	"skip_updating_derived_priorities": {"skip_updating_other_build_derived_priorities"},

	"name":  {"agent_name"},
	"token": {"dynamic_auth_token"},
}

// hyphenated tells which names go out with hyphens too: ours, not the keys
// of maps whose keys are data, such as agents' ids.
func hyphenated(name string) bool {
	return strings.Contains(name, "_") && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == ""
}

// Marshal encodes a message with every spelling of its fields.
func Marshal(v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	tree, err := decode(bytes.NewReader(plain))
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return json.Marshal(spellOut(tree))
}

func spellOut(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = spellOut(v[i])
		}
	case map[string]any:
		all := make(map[string]any, 2*len(v))
		_, build := v["derivation_name"]
		for name, value := range v {
			value = spellOut(value)
			names := append([]string{name}, spellings[name]...)
			if build {
				names = append(names, buildSpellings[name]...)
			}
			for _, other := range names {
				if _, taken := v[other]; taken && other != name {
					continue
				}
				all[other] = value
				if hyphenated(other) {
					all[strings.ReplaceAll(other, "_", "-")] = value
				}
			}
		}
		return all
	}
	return v
}

// canonical maps an accepted spelling to ours.
var canonical = func() map[string]string {
	m := make(map[string]string)
	for name, others := range accepted {
		for _, other := range others {
			m[other] = name
		}
	}
	return m
}()

// ourName is our name for an incoming field, and how far from it the
// spelling is.
func ourName(name string) (ours string, distance int) {
	plain := strings.ReplaceAll(name, "-", "_")
	switch ours, ok := canonical[plain]; {
	case ok:
		return ours, 2
	case plain != name:
		return plain, 1
	}
	return name, 0
}

// Unmarshal decodes one JSON object, reading fields under every spelling and
// ignoring those it does not know. Where two spellings of a field are there,
// the one nearest to ours wins. Keys that are data, such as UUIDs, would lose
// their hyphens: no message that comes in has any.
func Unmarshal(data []byte, v any) error {
	tree, err := decode(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if _, ok := tree.(map[string]any); !ok {
		return fmt.Errorf("want a JSON object")
	}
	plain, err := json.Marshal(spellOurs(tree))
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

func spellOurs(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = spellOurs(v[i])
		}
	case map[string]any:
		ours := make(map[string]any, len(v))
		distances := make(map[string]int, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if v[name] == nil {
				continue // null says nothing
			}
			target, distance := ourName(name)
			if _, there := ours[target]; there && distances[target] <= distance {
				continue
			}
			ours[target], distances[target] = spellOurs(v[name]), distance
		}
		return ours
	}
	return v
}

// decode reads exactly one JSON value, keeping numbers as they are written.
func decode(r io.Reader) (any, error) {
	d := json.NewDecoder(r)
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON value")
	}
	return tree, nil
}
