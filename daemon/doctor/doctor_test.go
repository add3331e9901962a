package doctor

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// expect checks a finding's level and words in it.
func expect(t *testing.T, name string, got Finding, level Level, words ...string) {
	t.Helper()
	if got.Level != level || (got.Do == "") != (level == Fine) {
		t.Errorf("%s: got %+v, want the level %s", name, got, level)
	}
	for _, w := range words {
		if !strings.Contains(got.Found+" "+got.Do, w) {
			t.Errorf("%s: got %+v, want the words %q", name, got, w)
		}
	}
}

const (
	sample = storepath.Path("/gnu/store/0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix-hello-2.12.drv")
	point  = "8D156F295D24B0D9A86FA5741A840FF2D24F60F7B6C4134814AD55625971B394"
)

// publisher is a substitute server that has the sample, signed or not.
func publisher(t *testing.T, signature string, date time.Time) string {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
			fmt.Fprint(w, text)
		}
	}
	mux.Handle("/nix-cache-info", answer("StoreDir: /gnu/store\nWantMassQuery: 0\nPriority: 100\n"))
	info := "StorePath: " + string(sample) + "\nNarHash: sha256:" + strings.Repeat("0", 52) + "\nNarSize: 120\nReferences: \n"
	if signature != "" {
		info += "Signature: " + signature + "\n"
	}
	mux.Handle("/"+sample.HashPart()+".narinfo", answer(info+"URL: nar/x\nCompression: none\n"))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func signedBy(point string) string {
	return "1;example.org;" + base64.StdEncoding.EncodeToString([]byte(
		"(signature\n (data (flags rfc6979) (hash sha256 #00#))\n (sig-val (ecdsa (r #01#) (s #02#)))\n"+
			" (public-key\n  (ecc\n   (curve Ed25519)\n   (q #"+point+"#)\n   )\n  )\n )\n"))
}

func TestSubstituteServers(t *testing.T) {
	now := time.Now()
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	for _, tt := range []struct {
		name  string
		s     Server
		level Level
		words []string
	}{
		{"a key that is authorized", Server{publisher(t, signedBy(point), now), []string{point}, []storepath.Path{sample}}, Fine, []string{"authorized"}},
		{"in small letters", Server{publisher(t, signedBy(strings.ToLower(point)), now), []string{point}, []storepath.Path{sample}}, Fine, nil},
		{"another key", Server{publisher(t, signedBy(point), now), []string{}, []storepath.Path{sample}}, Wrong, []string{"8D156F295D24B0D9", "guix archive --authorize"}},
		{"a list that cannot be read", Server{publisher(t, signedBy(point), now), nil, []storepath.Path{sample}}, Doubt, []string{narinfo.ACL()}},
		{"no signature", Server{publisher(t, "", now), []string{point}, []storepath.Path{sample}}, Wrong, []string{"does not sign"}},
		{"a signature of nonsense", Server{publisher(t, "1;x;!", now), []string{point}, []storepath.Path{sample}}, Wrong, []string{"does not sign"}},
		{"no sample", Server{publisher(t, "", now), []string{point}, nil}, Fine, []string{"nothing to see its key by"}},
		{"no substitute server", Server{empty.URL, nil, nil}, Wrong, []string{"404"}},
		{"nobody", Server{"http://127.0.0.1:1", nil, nil}, Wrong, []string{"refused"}},
	} {
		findings := Substitutes(t.Context(), tt.s)
		if len(findings) != 1 {
			t.Errorf("%s: got %+v, want one finding", tt.name, findings)
			continue
		}
		expect(t, tt.name, findings[0], tt.level, tt.words...)
	}
}

func TestTheClock(t *testing.T) {
	for _, tt := range []struct {
		off  time.Duration
		want int
	}{{0, 1}, {time.Minute, 1}, {-time.Minute, 1}, {time.Hour, 2}, {-time.Hour, 2}} {
		findings := Substitutes(t.Context(), Server{URL: publisher(t, "", time.Now().Add(tt.off))})
		if len(findings) != tt.want {
			t.Errorf("%v off: got %+v, want %d findings", tt.off, findings, tt.want)
		}
		if tt.want == 2 && len(findings) == 2 {
			expect(t, tt.off.String(), findings[1], Doubt, "clock", "NTP")
		}
	}
}

func TestKeysOfAnAccessControlList(t *testing.T) {
	file := filepath.Join(t.TempDir(), "acl")
	text := "(acl\n (entry\n  (public-key\n   (ecc\n    (curve Ed25519)\n    (q #" + point + "#)\n    )\n   )\n  (tag\n   (guix import)\n   )\n  )\n )\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys, err := Keys(file); err != nil || len(keys) != 1 || keys[0] != point {
		t.Errorf("got %q, %v; want the key", keys, err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if keys, err := Keys(file); err != nil || keys == nil || len(keys) != 0 {
		t.Errorf("got %q, %v; want none, and that this is known", keys, err)
	}
	if _, err := Keys(file + "x"); err == nil {
		t.Error("got no error for a file that is not there")
	}
}

func TestTheMachine(t *testing.T) {
	dir := t.TempDir()
	expect(t, "room", Disk("state", dir, 1), Fine, dir)
	expect(t, "no room", Disk("state", dir, 1<<62), Wrong, "make room")
	expect(t, "no directory", Disk("state", dir+"x", 1), Wrong, dir+"x")

	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	findings := Secrets(dir, os.Geteuid(), os.Getegid())
	if len(findings) != 1 {
		t.Fatalf("got %+v, want one finding", findings)
	}
	expect(t, "open secrets", findings[0], Wrong, "chmod 700 "+dir)
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	expect(t, "secrets", Secrets(dir, os.Geteuid(), os.Getegid())[0], Fine)

	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	expect(t, "an endpoint", Endpoint(t.Context(), "agents", address), Fine, address)
	// Another may have that port as soon as it is free; this one nobody has.
	l.Close()
	expect(t, "no endpoint", Endpoint(t.Context(), "agents", "0.0.0.0:1"), Wrong, "herd start tbfg")
}

func TestTheFrontEnd(t *testing.T) {
	bffe := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") }))
	defer bffe.Close()
	broken := httptest.NewServer(http.NotFoundHandler())
	defer broken.Close()
	address := bffe.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	const events = "http://localhost:8746"
	for _, tt := range []struct {
		name  string
		f     FrontEnd
		level Level
		words []string
	}{
		{"it follows", FrontEnd{bffe.URL, nil, events, 1}, Fine, []string{bffe.URL, "followed"}},
		{"it does not", FrontEnd{bffe.URL, nil, events, 0}, Doubt, []string{bffe.URL + " answers", "reads no events of this farm", `#:event-source "http://localhost:8746"`}},
		{"it cannot", FrontEnd{bffe.URL, nil, "", 0}, Doubt, []string{"client_listen"}},
		{"the farm does not say", FrontEnd{bffe.URL, nil, events, -1}, Doubt, []string{"start the farm"}},
		{"no page", FrontEnd{broken.URL, nil, events, 1}, Wrong, []string{"404", "front.bffe"}},
		{"nobody", FrontEnd{"http://127.0.0.1:1", nil, events, 1}, Wrong, []string{"refused", "8767"}},
		{"the farm itself", FrontEnd{bffe.URL, []string{"127.0.0.1:1", address}, events, 1}, Wrong, []string{"own address"}},
		{"the farm itself, on all addresses", FrontEnd{"http://localhost:" + port, []string{"[::]:" + port}, events, 1}, Wrong, []string{"own address"}},
		{"another port of the machine", FrontEnd{bffe.URL, []string{"127.0.0.1:1", "[::]:8747"}, events, 1}, Fine, nil},
	} {
		expect(t, tt.name, BFFE(t.Context(), tt.f), tt.level, tt.words...)
	}
}

func TestNoGuixDaemon(t *testing.T) {
	expect(t, "no socket", GuixDaemon(t.Context(), filepath.Join(t.TempDir(), "socket")), Wrong, "herd start guix-daemon")
	file := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	defer l.Close()
	expect(t, "something else", GuixDaemon(t.Context(), file), Wrong, "log")
}

func TestWhereAListenerIsFound(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8747": "127.0.0.1:8747", "0.0.0.0:80": "localhost:80", "[::]:80": "localhost:80",
		":80": "localhost:80", "farm.example.org:80": "farm.example.org:80", "[fe80::1]:80": "[fe80::1]:80",
	} {
		if got := Here(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}
