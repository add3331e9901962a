package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/narinfo"

	"github.com/prometheus/client_golang/prometheus"
)

func TestAnAgentReportsWhatItHolds(t *testing.T) {
	f := newFake(t)
	f.allocated = []string{build(1), build(2), build(3)}
	a := f.newAgent(t.Output(), func(c *Config) { c.Settings.MinFree = 7 })
	if err := os.WriteFile(filepath.Join(a.SpoolDir, "something"), make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(a.SpoolDir, ControlSocket)
	if _, err := Ask(t.Context(), socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that nobody is there", err)
	}
	stop := f.run(a)
	var r Report
	f.wait("it holds three builds", func() (ok bool) {
		var err error
		r, err = Ask(t.Context(), socket)
		return err == nil && len(r.Builds) == 3 && r.Builds[0].Phase != Waiting
	})
	if r.UUID != agentID || r.Coordinator != f.url || r.Status != "running" || r.Since.IsZero() || time.Since(r.LastContact) > limit ||
		r.Parallel != 1 || r.MinFree != 7 || r.SpoolBytes < 1000 || len(r.Disks) == 0 {
		t.Errorf("got %+v", r)
	}
	if b := r.Builds[2]; b.Phase != Waiting || b.UUID != build(3) || b.Since.IsZero() || !strings.HasSuffix(string(b.Derivation), "-hello.drv") {
		t.Errorf("got the builds %+v, want two of them to wait", r.Builds)
	}
	if line, well := a.Health(); !well || !strings.Contains(line, "2 waiting") {
		t.Errorf("got %q, %v, want it well and two builds waiting", line, well)
	}
	if err := alone(a.SpoolDir); err == nil || !strings.Contains(err.Error(), agentID+" uses the spool directory "+a.SpoolDir) {
		t.Errorf("a second agent: got %v, want it refused", err)
	}

	registry := prometheus.NewRegistry()
	registry.MustRegister(a)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.Metric {
			if l := m.GetLabel(); len(l) > 0 && l[0].GetValue() == string(Waiting) {
				got[family.GetName()] = m.GetGauge().GetValue()
			}
		}
	}
	if got["tbfg_agent_builds"] != 2 {
		t.Errorf("got the metrics %v, want two builds waiting", families)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want the socket gone", err)
	}
}

func TestAnAgentThatHangsIsNotWell(t *testing.T) {
	a := newFake(t).newAgent(t.Output(), nil)
	for beat, want := range map[time.Duration]bool{time.Second: true, 2 * loopPatience: false} {
		a.beat.Store(time.Now().Add(-beat).UnixNano())
		if _, well := a.Health(); well != want {
			t.Errorf("%v after it looked around: got well %v, want %v", beat, well, want)
		}
	}
}

func TestPhasesAreListedInTheirOrder(t *testing.T) {
	var p phases
	for n, phase := range []Phase{Waiting, Building, Waiting, SettingUp, Reporting, Building} {
		p.set(daemon.Allocation{UUID: build(n)}, phase)
	}
	p.set(daemon.Allocation{UUID: build(0)}, SettingUp)
	p.remove(build(2))
	var got []string
	for _, b := range p.list() {
		got = append(got, b.UUID)
	}
	if want := []string{build(4), build(1), build(5), build(3), build(0)}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The agent trusts what the machine does: the keys of its access control list.
func TestSignaturesByKeysOfTheList(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GUIX_CONFIGURATION_DIRECTORY", dir)
	// As guix publish writes them: (public-key (ecc (curve Ed25519) (q #8D15#))).
	const signature = "1;farm;KHNpZ25hdHVyZSAocHVibGljLWtleSAoZWNjIChjdXJ2ZSBFZDI1NTE5KSAocSAjOEQxNSMpKSkp"
	for _, test := range []struct {
		name, list, signature string
		trusted, sure         bool
	}{
		{"no list", "", signature, false, true},
		{"in the list", "(acl (entry (public-key (ecc (curve Ed25519) (q #7D60#))) (tag (guix import)))\n (entry (public-key (ecc (curve Ed25519)\n (q #8d15#)))))", signature, true, true},
		{"not in the list", "(acl (entry (public-key (ecc (curve Ed25519) (q #7D60#)))))", signature, false, true},
		{"unsigned", "(acl (entry (public-key (ecc (curve Ed25519) (q #8D15#)))))", "", false, true},
		{"nonsense", "(acl (entry (public-key (ecc (curve Ed25519) (q #8D15#)))))", "1;farm;%", false, true},
	} {
		if test.list != "" {
			if err := os.WriteFile(filepath.Join(dir, "acl"), []byte(test.list), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if trusted, sure := trusts(&narinfo.Info{Signature: test.signature}); trusted != test.trusted || sure != test.sure {
			t.Errorf("%s: got %v, %v, want %v, %v", test.name, trusted, sure, test.trusted, test.sure)
		}
	}
}
