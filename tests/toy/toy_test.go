package toy

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/machine"
)

// open is a shop on a machine of its own.
func open(t testing.TB, suites ...string) (context.Context, *machine.Machine, *guixdaemon.Conn, *Shop) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	m := machine.New(t, suites...)
	if _, err := m.Daemon(ctx); err != nil {
		t.Fatal(err)
	}
	conn, err := guixdaemon.Dial(ctx, m.Socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// Otherwise the daemon starts "guix offload", a Guile program, for each operation that builds.
	if err := conn.SetOptions(ctx, guixdaemon.Options{Offload: false}); err != nil {
		t.Fatal(err)
	}
	shop, err := Open(ctx, conn, m.Path("/"))
	if err != nil {
		t.Fatal(err)
	}
	return ctx, m, conn, shop
}

func build(ctx context.Context, conn *guixdaemon.Conn, drv *Drv) error {
	return conn.Build(ctx, []string{string(drv.Path)}, guixdaemon.Normal)
}

func read(t *testing.T, m *machine.Machine, inside string) string {
	t.Helper()
	data, err := os.ReadFile(m.Path(inside))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestARealDaemonBuildsAGraph(t *testing.T) {
	for _, suite := range []string{machine.Sid, machine.Bullseye} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			ctx, m, conn, shop := open(t, suite)
			text, err := conn.AddTextToStore(ctx, "greeting", []byte("hello"), nil)
			if err != nil {
				t.Fatal(err)
			}
			lib, err := shop.Add(ctx, Recipe{
				Name:    "lib-1.0",
				Outputs: []string{"out", "dev"},
				Sources: []storepath.Path{text},
				Env:     map[string]string{"greeting": string(text)},
				Script:  `cat "$greeting" | tr a-z A-Z >"$out"; seq 3 >"$dev"`,
			})
			if err != nil {
				t.Fatal(err)
			}
			app, err := shop.Add(ctx, Recipe{
				Name:   "app",
				Inputs: []*Drv{lib},
				Script: `mkdir "$out"; cp "$in_lib_1_0_dev" "$out/dev"; ln -s "$in_lib_1_0" "$out/lib"`,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := build(ctx, conn, app); err != nil {
				t.Fatal(err)
			}
			out := string(app.Out())
			if got := read(t, m, out+"/lib"); got != "HELLO" {
				t.Errorf("got %q, want HELLO", got)
			}
			if got := read(t, m, out+"/dev"); got != "1\n2\n3\n" {
				t.Errorf("got %q, want the numbers to 3", got)
			}
			refs, err := conn.QueryReferences(ctx, app.Out())
			if err != nil || !slices.Equal(refs, []storepath.Path{lib.Out()}) {
				t.Errorf("got references %v, %v, want %v", refs, err, lib.Out())
			}
		})
	}
}

func TestFixedOutputsAreChecked(t *testing.T) {
	t.Parallel()
	ctx, m, conn, shop := open(t)
	r := Recipe{
		Name:     "download",
		HashAlgo: "sha256",
		Hash:     "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", // of "hello\n"
		Script:   `echo hello >"$out"`,
	}
	good, err := shop.Add(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := build(ctx, conn, good); err != nil || read(t, m, string(good.Out())) != "hello\n" {
		t.Errorf("got %v, want a build", err)
	}
	r.Name, r.Script = "forgery", `echo bye >"$out"`
	bad, err := shop.Add(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	conn.SetLog(&log)
	var refusal *guixdaemon.Error
	if err := build(ctx, conn, bad); !errors.As(err, &refusal) || !strings.Contains(log.String(), "hash mismatch") {
		t.Errorf("got %v, %s, want a hash mismatch", err, &log)
	}
}

func TestAFailingCommandFailsTheBuild(t *testing.T) {
	t.Parallel()
	ctx, _, conn, shop := open(t)
	drv, err := shop.Add(ctx, Recipe{Name: "failing", Script: `false; echo >"$out"`})
	if err != nil {
		t.Fatal(err)
	}
	var refusal *guixdaemon.Error
	if err := build(ctx, conn, drv); !errors.As(err, &refusal) || refusal.Status != guixdaemon.StatusFailed {
		t.Errorf("got %v, want a failed build", err)
	}
}

func TestEveryStoreHasTheSamePaths(t *testing.T) {
	t.Parallel()
	ctx, _, _, one := open(t)
	_, _, _, other := open(t)
	a, err := one.Add(ctx, Recipe{Name: "same"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := other.Compute(Recipe{Name: "same"})
	if err != nil || a.Path != b.Path || string(a.Text) != string(b.Text) {
		t.Errorf("got %s, %v, want %s", b.Path, err, a.Path)
	}
	if _, err := one.Compute(Recipe{Name: "stray", Inputs: []*Drv{{Path: a.Path[:11] + "1" + a.Path[12:], Outputs: a.Outputs, name: "x"}}}); err == nil {
		t.Error("a derivation depends on one that the shop does not know")
	}
}

func TestManyDerivationsAreMadeAndBuiltAtOnce(t *testing.T) {
	t.Parallel()
	ctx, m, conn, shop := open(t)
	drvs, err := shop.AddMany(ctx, 20, Recipe{Name: "many", Script: `echo "$number" >"$out"`})
	if err != nil {
		t.Fatal(err)
	}
	var things []string
	for _, d := range drvs {
		things = append(things, string(d.Path))
	}
	if err := conn.Build(ctx, things, guixdaemon.Normal); err != nil {
		t.Fatal(err)
	}
	if got := read(t, m, string(drvs[19].Out())); got != "19\n" {
		t.Errorf("got %q, want 19", got)
	}
}

// BenchmarkAdd measures how quickly derivations come into a store.
func BenchmarkAdd(b *testing.B) {
	ctx, _, _, shop := open(b)
	b.ResetTimer()
	if _, err := shop.AddMany(ctx, b.N, Recipe{Name: "bench", Script: `echo >"$out"`}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBuild measures the daemon alone: one job, tiny builds.
func BenchmarkBuild(b *testing.B) {
	ctx, _, conn, shop := open(b)
	drvs, err := shop.AddMany(ctx, b.N, Recipe{Name: "bench", Script: `echo >"$out"`})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for _, d := range drvs {
		if err := build(ctx, conn, d); err != nil {
			b.Fatal(err)
		}
	}
}
