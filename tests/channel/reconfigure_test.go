package channel

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// activateEtc makes the services' files in a directory as the store has one,
// the local agent's limit replaced, and has Guix's own code make /etc of it.
func (g *guix) activateEtc(t *testing.T, system string, parallel int) {
	t.Helper()
	dir := "/opt/" + system
	for _, name := range []string{"tbfg", "tbfg-agent"} {
		text := strings.Replace(g.made(t, "live."+name+".toml"), "max_parallel_builds = 1\n", fmt.Sprintf("max_parallel_builds = %d\n", parallel), 1)
		file, _, _ := strings.Cut(strings.TrimPrefix(text, "# /etc/"), "\n")
		item := dir + "-" + name + ".toml"
		if err := g.WriteFile(item, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		link := g.Path(dir + "/etc/" + file)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(item, link); err != nil {
			t.Fatal(err)
		}
	}
	// Guix replaces a link there, not Debian's directory.
	if err := os.RemoveAll(g.Path("/etc/ssl")); err != nil {
		t.Fatal(err)
	}
	code := fmt.Sprintf("(use-modules (gnu build activation)) (activate-etc %q)", dir+"/etc")
	if _, err := g.Run(t.Context(), "guile", "--no-auto-compile", "-c", code); err != nil {
		t.Fatal(err)
	}
}

// reconfigure swaps the configuration for one with a higher limit while a build
// runs that takes up the old limit.
func (h *herd) reconfigure(t *testing.T) {
	conn, shop := h.shop(t)
	defer conn.Close()
	empty := t.TempDir()
	gate, err := conn.AddToStore(t.Context(), "gate", true, func(w io.Writer) error { return nar.Dump(w, empty) })
	if err != nil {
		t.Fatal(err)
	}
	begin := func(name string) (uuid string) {
		drv, err := shop.Add(t.Context(), toy.Recipe{Name: name, Sources: []storepath.Path{gate},
			Script: `until [ -e ` + string(gate) + `/open ]; do usleep 50000; done; echo built >"$out"`})
		if err != nil {
			t.Fatal(err)
		}
		reply, err := h.farm.Submit(t.Context(), daemon.Submission{Derivation: drv.Path})
		if err != nil {
			t.Fatal(err)
		}
		return reply.Submitted
	}
	reach := func(uuid string, want daemon.State) {
		t.Helper()
		eventually(t, fmt.Sprintf("build %s is %v", uuid, want), func() bool {
			b, err := h.farm.Build(t.Context(), uuid)
			return err == nil && b.State == want
		})
	}
	before := h.pid("tbfg")
	first := begin("first")
	reach(first, daemon.Started)
	second := begin("second") // there is no place for it
	h.activateEtc(t, "second", 2)
	reach(second, daemon.Started)
	if got := h.must("status", "tbfg"); !strings.Contains(got, "It is running since") {
		t.Errorf("herd status after a reconfiguration: got %s", got)
	}
	if err := os.WriteFile(h.Path(string(gate)+"/open"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	reach(first, daemon.Succeeded)
	reach(second, daemon.Succeeded)
	if after := h.pid("tbfg"); after != before {
		t.Errorf("got the process %d, want it to be %d still", after, before)
	}
}
