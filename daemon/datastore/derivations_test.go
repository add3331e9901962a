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

func TestADerivationIsStoredOnce(t *testing.T) {
	s := fresh(t)
	ctx := context.Background()
	if id := must(s.DerivationID(ctx, item("hello.drv")))(t); id != 0 {
		t.Fatalf("before: got row %d, want none", id)
	}
	first, second := insert(t, s, "hello"), insert(t, s, "hello")
	if first == 0 || first != second || first != must(s.DerivationID(ctx, item("hello.drv")))(t) {
		t.Fatalf("got rows %d and %d, want one", first, second)
	}
	shape := must(s.Shape(ctx, first))(t)
	if shape.System != "x86_64-linux" || len(shape.Makes) != 1 || len(shape.Needs) != 0 {
		t.Fatalf("got the shape %+v", shape)
	}
	if got := must(s.Shape(ctx, 77))(t); got.System != "" {
		t.Fatalf("the shape of nothing: got %+v", got)
	}
}

func TestADerivationMayHaveSeveralOutputs(t *testing.T) {
	s := fresh(t)
	id := insertDerivation(t, s, "gcc", &derivation.Derivation{System: "x86_64-linux",
		Outputs: []derivation.Output{{Name: "lib", Path: item("gcc-lib")}, {Name: "out", Path: item("gcc")}}})
	user := insertDerivation(t, s, "hello", &derivation.Derivation{System: "x86_64-linux",
		Outputs: []derivation.Output{{Name: "out", Path: item("hello")}},
		Inputs:  []derivation.Input{{Path: item("gcc.drv"), Outputs: []string{"lib", "out"}}}})
	outputs := must(s.Shape(context.Background(), id))(t).Makes
	want := []Need{{Output: outputs[0]}, {Output: outputs[1]}}
	if diff := cmp.Diff(want, must(s.Shape(context.Background(), user))(t).Needs); diff != "" {
		t.Fatalf("needs (-want +got):\n%s", diff)
	}
}

func TestInsertGraphRefusesWhatNeedsNothing(t *testing.T) {
	s := fresh(t)
	insert(t, s, "glibc")
	ctx := context.Background()
	for name, input := range map[string]derivation.Input{
		"an input that is not stored":      {Path: item("gcc.drv"), Outputs: []string{"out"}},
		"an output that its input has not": {Path: item("glibc.drv"), Outputs: []string{"doc"}},
	} {
		err := s.Update(ctx, func(tx *Tx) error {
			return tx.InsertGraph(ctx, node("hello", &derivation.Derivation{System: "x86_64-linux",
				Outputs: []derivation.Output{{Name: "out", Path: item("hello")}}, Inputs: []derivation.Input{input}}))
		})
		if daemon.CodeOf(err) != daemon.Invalid || !strings.Contains(err.Error(), string(input.Path)) {
			t.Errorf("%s: got %v, want an error that names it", name, err)
		}
		if id := must(s.DerivationID(ctx, item("hello.drv")))(t); id != 0 {
			t.Errorf("%s: the derivation was stored", name)
		}
	}
}

func TestWhatIsKnownOfAnInput(t *testing.T) {
	type step struct {
		drv string // "glibc" or "mirror", which makes the same
		end string
	}
	tests := []struct {
		name   string
		builds []step
		built  bool
		failed int // number of the build
	}{
		{"no build", nil, false, 0},
		{"a build that is not finished", []step{{drv: "glibc"}}, false, 0},
		{"a success", []step{{drv: "glibc", end: "success"}}, true, 0},
		{"a failure", []step{{drv: "glibc", end: "failure"}}, false, 1},
		{"two failures: the newest build", []step{{drv: "glibc", end: "failure"}, {drv: "glibc", end: "failure"}}, false, 2},
		{"a failure after a success", []step{{drv: "glibc", end: "success"}, {drv: "glibc", end: "failure"}}, true, 0},
		{"a success after a failure", []step{{drv: "glibc", end: "failure"}, {drv: "glibc", end: "success"}}, true, 0},
		{"a build that was canceled", []step{{drv: "glibc", end: "canceled"}}, false, 0},
		{"a success of another derivation that makes the same", []step{{drv: "mirror", end: "success"}}, true, 0},
		{"a failure of another derivation that makes the same", []step{{drv: "glibc", end: "failure"}, {drv: "mirror", end: "failure"}}, false, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := fresh(t)
			insert(t, s, "glibc")
			insertDerivation(t, s, "mirror", &derivation.Derivation{System: "x86_64-linux",
				Outputs: []derivation.Output{{Name: "out", Path: item("glibc")}}})
			hello := insert(t, s, "hello", "glibc")
			id := agent(t, s, "bedok")
			for i, b := range tt.builds {
				drv := must(s.DerivationID(context.Background(), item(b.drv+".drv")))(t)
				submit(t, s, i+1, drv, daemon.Build{})
				switch b.end {
				case "success", "failure":
					finish(t, s, i+1, id, b.end == "success")
				case "canceled":
					if _, err := s.writer.Exec("UPDATE builds SET canceled = 1 WHERE uuid = ?", uuid(i+1)); err != nil {
						t.Fatal(err)
					}
				}
			}
			want := Need{Built: tt.built}
			if tt.failed > 0 {
				want.Failed = build(t, s, tt.failed).ID
			}
			got := must(s.Shape(context.Background(), hello))(t).Needs
			if len(got) == 1 {
				want.Output = got[0].Output
			}
			if diff := cmp.Diff([]Need{want}, got); diff != "" {
				t.Fatalf("needs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInputsWithoutBuild(t *testing.T) {
	s := fresh(t)
	bash := insert(t, s, "bash")
	insert(t, s, "glibc", "bash")
	insert(t, s, "gcc", "glibc", "bash")
	insert(t, s, "unrelated", "bash")
	hello := insert(t, s, "hello", "gcc", "glibc")
	submit(t, s, 1, bash, daemon.Build{})
	missing := func(drv int64) (paths []storepath.Path) {
		update(t, s, func(ctx context.Context, tx *Tx) error {
			refs, err := tx.InputsWithoutBuild(ctx, drv)
			for _, ref := range refs {
				paths = append(paths, ref.Path)
			}
			return err
		})
		return paths
	}
	if diff := cmp.Diff([]storepath.Path{item("glibc.drv"), item("gcc.drv")}, missing(hello)); diff != "" {
		t.Fatalf("below hello (-want +got):\n%s", diff)
	}
	if got := missing(hello); got != nil {
		t.Fatalf("below hello once more: got %v, want nothing: it was seen to", got)
	}
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.Cancel(ctx, build(t, s, 1).ID, noon) })
	if diff := cmp.Diff([]storepath.Path{item("bash.drv"), item("glibc.drv"), item("gcc.drv")}, missing(hello)); diff != "" {
		t.Fatalf("when a build was canceled (-want +got):\n%s", diff)
	}
}

func TestWhetherThereIsABuild(t *testing.T) {
	s := fresh(t)
	glibc := insert(t, s, "glibc")
	mirror := insertDerivation(t, s, "mirror", &derivation.Derivation{System: "x86_64-linux",
		Outputs: []derivation.Output{{Name: "out", Path: item("glibc")}}})
	hello := insert(t, s, "hello", "glibc")
	ctx := context.Background()
	want := func(when string, drv int64, derivation, outputs bool) {
		t.Helper()
		if got := must(s.DerivationHasBuild(ctx, drv))(t); got != derivation {
			t.Errorf("%s: a build of the derivation: got %v, want %v", when, got, derivation)
		}
		if got := must(s.OutputsHaveBuild(ctx, drv))(t); got != outputs {
			t.Errorf("%s: a build of its outputs: got %v, want %v", when, got, outputs)
		}
	}
	want("before", glibc, false, false)
	submit(t, s, 1, mirror, daemon.Build{})
	want("when another derivation of the output has one", glibc, false, true)
	want("when it has one", mirror, true, true)
	want("when only its input has one", hello, false, false)
	finish(t, s, 1, agent(t, s, "bedok"), false)
	want("when that failed", glibc, false, true)
	if _, err := s.writer.Exec("UPDATE builds SET canceled = 1"); err != nil {
		t.Fatal(err)
	}
	want("when that is canceled", mirror, false, false)
}
