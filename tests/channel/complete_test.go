package channel

import (
	"maps"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/config"
)

// notFields are the keys that no field stands for, and why.
var notFields = map[string]string{
	"pid_file":            "the Shepherd knows the process",
	"local_agent.enabled": "that there is a local-agent",
}

// records are the tables that records other than the two configurations become.
var records = map[string]string{
	"tbfg-hook": "hook", "tbfg-data-service": "hook.data_service", "tbfg-declared-agent": "agents", "tbfg-collection": "collections",
}

// testFields checks that each field of our records is a key of the
// configuration, and each key a field. The manual of the keys is made of the
// comments that config's own tests demand; fields have documentation because
// define-configuration wants it.
func testFields(t *testing.T, g *guix) {
	keys := make(map[string]bool)
	collect(reflect.TypeFor[config.Config](), "", keys)
	fields := make(map[string]string)
	for _, line := range g.lines(t, "fields") {
		record, field, key := line[0], line[1], line[2]
		if table := records[record]; table != "" {
			key = table + "." + key
		}
		if key == "-" || slices.Contains(slices.Collect(maps.Values(records)), key) {
			continue
		}
		for _, table := range []string{"agent", "local_agent"} {
			// How to build is said in the tables of both agents.
			if rest, ok := strings.CutPrefix(key, "builder."); ok {
				fields[table+"."+rest] = record + "." + field
			}
		}
		if !strings.HasPrefix(key, "builder.") {
			fields[key] = record + "." + field
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if fields[key] == "" && notFields[key] == "" {
			t.Errorf("the key %s is not a field of a record in guix/tbfg/services", key)
		}
	}
	for key, field := range fields {
		if !keys[key] {
			t.Errorf("the field %s becomes the key %s, which does not exist", field, key)
		}
	}
	for key := range notFields {
		if !keys[key] {
			t.Errorf("notFields has %s, which is not a key", key)
		}
	}
}

// collect adds the keys below a type.
func collect(typ reflect.Type, prefix string, keys map[string]bool) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		below := f.Type
		if below.Kind() == reflect.Slice {
			below = below.Elem()
		}
		switch {
		case f.Anonymous:
			collect(f.Type, prefix, keys)
		case below.Kind() == reflect.Struct:
			collect(below, prefix+key+".", keys)
		default:
			keys[prefix+key] = true
		}
	}
}

// testInputs compares the libraries that the package is built with, go.mod,
// and what tests/gopath-build builds with.
func testInputs(t *testing.T, g *guix) {
	inputs := make(map[string]string)
	for _, line := range g.lines(t, "inputs") {
		inputs[line[0]] = "v" + line[1]
	}
	rehearsed, err := exec.Command("../gopath-build", "--modules").Output()
	if err != nil {
		t.Fatalf("gopath-build --modules: %v", err)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(rehearsed)) {
		module, version, _ := strings.Cut(strings.TrimSpace(line), "@")
		seen++
		if inputs[module] != version {
			t.Errorf("%s: gopath-build builds with %s, the package with %q", module, version, inputs[module])
		}
		if !strings.Contains(string(mod), "\t"+module+" v") {
			t.Errorf("%s is not in go.mod", module)
		}
	}
	if required := strings.Count(string(mod), "\n\t"); seen != required {
		t.Errorf("got %d modules, want the %d of go.mod", seen, required)
	}
}
