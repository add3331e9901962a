package system

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// list is what "build list --json" prints.
func (f *farm) list(options ...string) (list []wire.Build) {
	f.t.Helper()
	f.json(&list, append([]string{"build", "list", "--json"}, options...)...)
	return list
}

// showJSON is what "build show --json" prints.
func (f *farm) showJSON(uuid string) (b wire.BuildDetail) {
	f.t.Helper()
	f.json(&b, "build", "show", "--json", uuid)
	return b
}

func (f *farm) json(v any, args ...string) {
	f.t.Helper()
	said := f.tbfg(args...)
	if said.status != 0 {
		f.t.Fatalf("%q: got %+v", args, said)
	}
	if err := json.Unmarshal([]byte(said.out), v); err != nil {
		f.t.Fatalf("%q: %v in %s", args, err, said.out)
	}
}

// checkOutputs compares what the farm says of a build's outputs with what
// the daemon says.
func (f *farm) checkOutputs(name string, b wire.BuildDetail, drv *toy.Drv) {
	f.t.Helper()
	var want []wire.BuildOutput
	for output, path := range drv.Outputs {
		info, err := f.conn.QueryPathInfo(f.ctx, path)
		if err != nil {
			f.t.Fatal(err)
		}
		o := wire.BuildOutput{Name: output, Path: path, Hash: "sha256:" + base32.Encode(info.NarHash[:]), Size: int64(info.NarSize)}
		for _, ref := range info.References {
			o.References = append(o.References, string(ref))
		}
		want = append(want, o)
	}
	for _, list := range [][]wire.BuildOutput{want, b.Outputs} {
		slices.SortFunc(list, func(a, b wire.BuildOutput) int { return strings.Compare(a.Name, b.Name) })
		for _, o := range list {
			slices.Sort(o.References)
		}
	}
	if diff := cmp.Diff(want, b.Outputs); diff != "" {
		f.t.Errorf("outputs of %s (-want +got):\n%s", name, diff)
	}
}

// checkLog compares a build's log, on the disk and from the log endpoint, with
// the one that the daemon keeps.
func (f *farm) checkLog(name string, b wire.BuildDetail) {
	f.t.Helper()
	want := f.daemonLog(b.Derivation)
	if got := f.gunzip(stateDir + "/build-logs/" + b.UUID + "/log.gz"); got != want {
		f.t.Errorf("log.gz of %s:\ngot  %s\nwant %s", name, clip(got), clip(want))
	}
	if said := f.tbfg("build", "log", b.UUID); said.status != 0 || said.out != want {
		f.t.Errorf("log of %s: got status %d\ngot  %s\nwant %s", name, said.status, clip(said.out), clip(want))
	}
}

// clip is a text for a message.
func clip(s string) string {
	if len(s) > 500 {
		return fmt.Sprintf("%q … %q (%d bytes)", s[:250], s[len(s)-250:], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// daemonLog is the log of a build that guix-daemon keeps.
func (h *host) daemonLog(drv storepath.Path) string {
	h.t.Helper()
	file := "/var/log/guix/drvs/" + drv.Base()[:2] + "/" + drv.Base()[2:]
	for _, suffix := range []string{".gz", ".bz2", ""} {
		if _, err := os.Stat(h.Path(file + suffix)); err != nil {
			continue
		}
		switch suffix {
		case ".gz":
			return h.gunzip(file + suffix)
		case ".bz2":
			text, err := io.ReadAll(bzip2.NewReader(strings.NewReader(h.read(file + suffix))))
			if err != nil {
				h.t.Fatal(err)
			}
			return string(text)
		}
		return h.read(file)
	}
	h.t.Fatalf("the daemon has no log of %s", drv)
	return ""
}

// gunzip is the text of a compressed file of the machine.
func (h *host) gunzip(file string) string {
	h.t.Helper()
	z, err := gzip.NewReader(strings.NewReader(h.read(file)))
	if err != nil {
		h.t.Fatalf("%s: %v", file, err)
	}
	var text bytes.Buffer
	if _, err := io.Copy(&text, z); err != nil {
		h.t.Fatalf("%s: %v", file, err)
	}
	return text.String()
}

// checkSummary compares the account that "build summary" gives.
func (f *farm) checkSummary(fates map[string]fate) {
	f.t.Helper()
	var got struct {
		Counts map[daemon.State]int
		Failed []struct {
			Name   string
			Blocks int
		}
		Blocked []struct {
			Name string
			By   []string
		}
	}
	f.json(&got, "build", "summary", "--json")
	counts, blocks := make(map[daemon.State]int), make(map[string]int)
	for name, fate := range fates {
		counts[fate.state]++
		if fate.state == daemon.Failed {
			blocks[name] += 0
		}
		for _, by := range fate.by {
			blocks[by]++
		}
	}
	if diff := cmp.Diff(counts, got.Counts); diff != "" {
		f.t.Errorf("counts of the summary (-want +got):\n%s", diff)
	}
	failed := make(map[string]int)
	for _, b := range got.Failed {
		failed[b.Name] = b.Blocks
	}
	if diff := cmp.Diff(blocks, failed); diff != "" {
		f.t.Errorf("failures of the summary (-want +got):\n%s", diff)
	}
	for _, b := range got.Blocked {
		slices.Sort(b.By)
		if !slices.Equal(b.By, fates[b.Name].by) {
			f.t.Errorf("summary: %s is blocked by %q, want %q", b.Name, b.By, fates[b.Name].by)
		}
	}
	if len(got.Blocked) != counts[daemon.Blocked] {
		f.t.Errorf("summary: got %d blocked builds, want %d", len(got.Blocked), counts[daemon.Blocked])
	}
}
