package datastore

import (
	"context"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

func TestWhatBuildsMadeIsFoundByItsHash(t *testing.T) {
	s := fresh(t)
	bed := agent(t, s, "bedok")
	one, other := strings.Repeat("1", 32), strings.Repeat("2", 32)
	at := func(hash, name string) storepath.Path { return storepath.Path("/gnu/store/" + hash + "-" + name) }
	ours := insertDerivation(t, s, "ours", &derivation.Derivation{System: "x86_64-linux", Outputs: []derivation.Output{
		{Name: "doc", Path: at(other, "ours-doc")}, {Name: "out", Path: at(one, "ours")}}})
	// A hash that begins with the same characters, and the same name.
	theirs := insertDerivation(t, s, "theirs", &derivation.Derivation{System: "x86_64-linux", Outputs: []derivation.Output{
		{Name: "out", Path: at(one[1:]+"3", "ours")}}})
	made := func(n int, drv int64, success bool, hash string) {
		submit(t, s, n, drv, daemon.Build{})
		update(t, s, func(ctx context.Context, tx *Tx) error {
			r := daemon.Result{Success: success, Ended: noon}
			if success {
				r.Outputs = []daemon.Output{{Name: "out", Hash: hash, Size: int64(n), References: []storepath.Path{at(other, "ours-doc")}}}
			}
			return tx.Finish(ctx, build(t, s, n), bed, r)
		})
	}
	made(1, ours, true, "sha256:first")
	made(2, ours, false, "")
	made(3, theirs, true, "sha256:theirs")
	made(4, ours, true, "sha256:second")
	want := func(n int, hash string) Made {
		return Made{Build: uuid(n), Derivation: item("ours.drv"), Output: daemon.Output{Name: "out", Path: at(one, "ours"),
			Hash: hash, Size: int64(n), References: []storepath.Path{at(other, "ours-doc")}}}
	}
	for hash, want := range map[string][]Made{
		one:                     {want(4, "sha256:second"), want(1, "sha256:first")},
		other:                   nil, // nobody said what became of it
		strings.Repeat("0", 32): nil,
		"":                      nil,
		one[:31]:                nil,
	} {
		if diff := cmp.Diff(want, must(s.Made(context.Background(), storepath.DefaultDir, hash))(t)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", hash, diff)
		}
	}
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.Forget(ctx, build(t, s, 4).ID) })
	if diff := cmp.Diff([]Made{want(1, "sha256:first")}, must(s.Made(context.Background(), storepath.DefaultDir, one))(t)); diff != "" {
		t.Errorf("after one was forgotten (-want +got):\n%s", diff)
	}
}
