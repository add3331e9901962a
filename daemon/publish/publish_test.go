//go:debug default=go1.25

package publish

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/daemon/patience/patiencetest"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A shop is a farm that keeps outputs, and what it serves.
type shop struct {
	*coordinatortest.Farm
	t       *testing.T
	agent   string
	key     *narinfo.SigningKey
	handler http.Handler
	url     string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, Farm: coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.KeepOutputs = true })}
	s.agent, _ = s.Joined("bedok")
	s.turnKey()
	rest := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	signer := Signer{Key: func() *narinfo.SigningKey { return s.key }, Host: "farm.example"}
	s.handler = Handler(s.Outputs, s.Coordinator, signer, rest)
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *shop) turnKey() {
	s.t.Helper()
	key, err := narinfo.NewSigningKey()
	s.Must(err)
	s.key = key
}

// archive is the NAR of a file.
func (s *shop) archive(text string) []byte {
	s.t.Helper()
	var b bytes.Buffer
	w := nar.NewWriter(&b)
	err := w.WriteHeader(&nar.Header{Type: nar.Regular, Size: int64(len(text))})
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	s.Must(errors.Join(err, w.Close()))
	return b.Bytes()
}

// build has a derivation built, with an output that is kept unless it is empty.
func (s *shop) build(drv storepath.Path, archive []byte, references ...storepath.Path) (uuid string) {
	s.t.Helper()
	uuid = s.Added(drv)
	if !slices.Contains(s.Given(s.agent, 1), uuid) {
		s.t.Fatal("the build is not handed out")
	}
	out := daemon.Output{Name: "out", Hash: hashOf(archive), Size: int64(len(archive)), References: references}
	if archive != nil {
		s.Must(s.SaveOutput(s.t.Context(), s.agent, uuid, "out", outputs.Part{}, bytes.NewReader(archive)))
	}
	s.Must(s.ReportResult(s.t.Context(), s.agent, uuid, daemon.Result{Success: true, Ended: s.Clock.Now(), Outputs: []daemon.Output{out}}))
	return uuid
}

func hashOf(archive []byte) string {
	sum := sha256.Sum256(archive)
	return "sha256:" + base32.Encode(sum[:])
}

// output is the output of a derivation.
func (s *shop) output(drv storepath.Path) storepath.Path { return s.Output(drv, "out") }

// ask asks for a path; headers are pairs.
func (s *shop) ask(method, path string, headers ...string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, nil)
	s.Must(err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	s.Must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	s.Must(err)
	return resp, string(body)
}

// info is what is served of an item, which must be something.
func (s *shop) info(item storepath.Path) *narinfo.Info {
	s.t.Helper()
	resp, text := s.ask("GET", "/"+item.HashPart()+".narinfo")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != narinfo.MediaType {
		s.t.Fatalf("got %s, %q", resp.Status, text)
	}
	info, err := narinfo.Parse([]byte(text))
	s.Must(err)
	if info.Signed() == nil || !strings.Contains(s.key.Public(), cmp.Or(info.Key(), "none")) {
		s.t.Errorf("got\n%s\nwant it signed by the key", text)
	}
	return info
}

func TestWhatIsKeptIsServed(t *testing.T) {
	s := newShop(t)
	glibc, hello := s.Derivation("glibc"), s.Derivation("hello+c++?x")
	s.build(glibc, s.archive("libc"))
	archive := s.archive("hello, world")
	build := s.build(hello, archive, s.output(glibc), s.output(hello))

	info := s.info(s.output(hello))
	if info.StorePath != s.output(hello) || info.Deriver != hello || info.NarSize != int64(len(archive)) ||
		"sha256:"+base32.Encode(info.NarHash[:]) != hashOf(archive) || len(info.References) != 2 {
		t.Errorf("got %+v", info)
	}
	want := narinfo.Archive{URL: "nar/none/" + build + "/" + s.output(hello).HashPart() + "-hello+c++%3Fx", Compression: "none", FileSize: int64(len(archive))}
	if len(info.Archives) != 1 || info.Archives[0] != want {
		t.Fatalf("got the archives %+v, want %+v", info.Archives, want)
	}
	path := "/" + want.URL
	if resp, body := s.ask("GET", path); resp.StatusCode != http.StatusOK || body != string(archive) || resp.ContentLength != want.FileSize {
		t.Errorf("got %s and %d bytes", resp.Status, len(body))
	}
	if resp, body := s.ask("HEAD", path); resp.StatusCode != http.StatusOK || body != "" || resp.ContentLength != want.FileSize {
		t.Errorf("HEAD: got %s of %d bytes", resp.Status, resp.ContentLength)
	}
	if resp, body := s.ask("GET", path, "Range", "bytes=8-"); resp.StatusCode != http.StatusPartialContent || body != string(archive[8:]) {
		t.Errorf("the rest: got %s and %q", resp.Status, body)
	}
	if _, body := s.ask("GET", "/nix-cache-info"); body != "StoreDir: /gnu/store\nWantMassQuery: 0\nPriority: 100\n" {
		t.Errorf("got %q", body)
	}
	if _, body := s.ask("GET", "/signing-key.pub"); body != s.key.Public()+"\n" {
		t.Errorf("got the key %q", body)
	}
	s.turnKey()
	s.info(s.output(hello)) // is signed by the new one
}

func TestWhatIsNotKeptIsNotServed(t *testing.T) {
	s := newShop(t)
	kept, other := s.Derivation("kept"), s.Derivation("other")
	build := s.build(kept, s.archive("kept"))
	s.build(other, nil)
	hash, base := s.output(kept).HashPart(), s.output(kept).Base()
	none := s.output(other).HashPart()
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/" + hash + ".narinfo", http.StatusOK},
		{"GET", "/" + none + ".narinfo", http.StatusNotFound},
		{"GET", "/" + strings.Repeat("0", 32) + ".narinfo", http.StatusNotFound},
		{"GET", "/" + hash + "-kept.narinfo", http.StatusNotFound},
		{"GET", "/" + hash[1:] + ".narinfo", http.StatusNotFound},
		{"GET", "/%25" + hash[1:] + ".narinfo", http.StatusNotFound},
		{"GET", "/.narinfo", http.StatusNotFound},
		{"POST", "/" + hash + ".narinfo", http.StatusMethodNotAllowed},
		{"GET", "/nar/none/" + build + "/" + base, http.StatusOK},
		{"GET", "/nar/lzip/" + build + "/" + base, http.StatusNotFound},
		{"GET", "/nar/none/" + build + "/" + base + "x", http.StatusNotFound},
		{"GET", "/nar/none/" + coordinatortest.UUID(1) + "/" + base, http.StatusNotFound},
		{"GET", "/nar/none/" + base, http.StatusNotFound},
		{"GET", "/nar/none/" + build + "/..%2fout.json", http.StatusTeapot},
		{"GET", "/", http.StatusTeapot},
		{"GET", "/package/" + hash + ".narinfo", http.StatusTeapot},
		{"GET", "//nix-cache-info", http.StatusTeapot},
		{"GET", "/nar", http.StatusTeapot},
	} {
		resp, body := s.ask(tt.method, tt.path)
		if resp.StatusCode != tt.status {
			t.Errorf("%s %s: got %s, %q", tt.method, tt.path, resp.Status, body)
		}
	}
	// Guix asks again soon for what there will be.
	if resp, _ := s.ask("GET", "/"+none+".narinfo"); resp.Header.Get("Cache-Control") != "max-age=30" {
		t.Errorf("got %v", resp.Header)
	}
	s.Must(s.Outputs.Remove(build))
	for _, path := range []string{"/" + hash + ".narinfo", "/nar/none/" + build + "/" + base} {
		if resp, _ := s.ask("GET", path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("removed: got %s for %s", resp.Status, path)
		}
	}
}

// Two builds of a derivation make two archives; whoever knows of one gets it.
func TestArchivesAreThoseOfTheirNarinfo(t *testing.T) {
	s := newShop(t)
	drv := s.Derivation("clock")
	first, second := s.archive("noon"), s.archive("midnight")
	s.build(drv, first)
	before := s.info(s.output(drv))
	newer := s.build(drv, second)
	after := s.info(s.output(drv))
	for _, tt := range []struct {
		info *narinfo.Info
		want []byte
	}{{before, first}, {after, second}} {
		if _, body := s.ask("GET", "/"+tt.info.Archives[0].URL); body != string(tt.want) || "sha256:"+base32.Encode(tt.info.NarHash[:]) != hashOf(tt.want) {
			t.Errorf("got %q for %+v, want %q", body, tt.info, tt.want)
		}
	}
	// Of the newest nothing is left: there is the one before.
	s.Must(s.Outputs.Remove(newer))
	if got := s.info(s.output(drv)); got.NarHash != before.NarHash {
		t.Errorf("got %+v, want %+v", got, before)
	}
}

// Who sends request after request and reads no answer is left at some time.
func TestReadersMayNotSleep(t *testing.T) {
	s := newShop(t)
	drv := s.Derivation("hello")
	build := s.build(drv, s.archive("hello"))
	item := s.output(drv)
	for _, path := range []string{"/nix-cache-info", "/signing-key.pub", "/" + item.HashPart() + ".narinfo", "/x.narinfo",
		"/nar/none/" + build + "/" + item.Base(), "/nar/none/" + build + "/x", "/nar/x"} {
		w := patiencetest.NewAnswer()
		s.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Deadline.IsZero() {
			t.Errorf("%s: got %d, which has no time limit", path, w.Code)
		}
	}
}
