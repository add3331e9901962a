package substitutes

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
)

const text = `Derive([("out","/gnu/store/5jyh2ay6ibz9cp0swkvdyqxqlgvrbylj-hello","","")],[],[],"x86_64-linux","builtin:download",[],[])`

func TestDerivation(t *testing.T) {
	for _, c := range compressions {
		s := newServer(t, hello, text, []string{c}, nil)
		var client Client
		got, err := client.Derivation(t.Context(), []string{status(t, 404).URL, s.URL}, hello)
		if err != nil || string(got) != text {
			t.Errorf("%s: got %q, %v", c, got, err)
		}
	}
}

// A server that has the item but does not deliver it is like one that does not
// have it: the next one is asked.
func TestDerivationFromTheNextServer(t *testing.T) {
	good := newServer(t, hello, text, []string{"zstd"}, nil)
	lost := newServer(t, hello, text, []string{"zstd"}, func(i *narinfo.Info) { i.Archives[0].URL = "lost" })
	wrong := newServer(t, hello, text, []string{"zstd"}, func(i *narinfo.Info) { i.NarHash[0] ^= 1 })
	var client Client
	got, err := client.Derivation(t.Context(), []string{lost.URL, wrong.URL, good.URL}, hello)
	if err != nil || string(got) != text {
		t.Fatalf("got %q, %v", got, err)
	}
	_, err = client.Derivation(t.Context(), []string{lost.URL, wrong.URL}, hello)
	if err == nil || !strings.Contains(err.Error(), "/lost: not found; ") || !strings.Contains(err.Error(), "does not have the hash") {
		t.Errorf("got %v", err)
	}
	var notFound *NotFoundError
	if _, err = client.Derivation(t.Context(), []string{lost.URL}, hello); !errors.As(err, &notFound) {
		t.Errorf("got %v", err)
	}
}

func TestDerivationRefuses(t *testing.T) {
	archive := func(headers ...nar.Header) string {
		var b strings.Builder
		w := nar.NewWriter(&b)
		for _, h := range headers {
			w.WriteHeader(&h)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	file := string(archiveOf(t, text))
	for _, test := range []struct {
		name, archive, want string
		size                int64
	}{
		{"a directory", archive(nar.Header{Type: nar.Directory}), "it is a directory", 0},
		{"a symlink", archive(nar.Header{Type: nar.Symlink, Target: "x"}), "it is a symlink", 0},
		{"something after the archive", file + "12345678", "something follows", 0},
		{"half an archive", file[:80], "unexpected EOF", 0},
		{"no archive", strings.Repeat("<html>", 20), "in place of", 0},
		{"a file larger than its archive", file[:88] + "\x00\x00\x40\x00\x00\x00\x00\x00", "the file has 4194304 bytes, more than 96", 0},
		{"a large file", file[:88] + "\x00\x00\x00\x80\x00\x00\x00\x00", "the file has 2147483648 bytes, more than 33554432", 2147483648 + 112},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, hello, "", nil, func(i *narinfo.Info) {
				i.NarHash, i.NarSize = sha256.Sum256([]byte(test.archive)), int64(len(test.archive))
				if test.size > 0 {
					i.NarSize = test.size
				}
				i.Archives = []narinfo.Archive{{URL: "x", Compression: "none"}}
			})
			s.mux.HandleFunc("/x", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(test.archive)) })
			var client Client
			_, err := client.Derivation(t.Context(), []string{s.URL}, hello)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want …%s…", err, test.want)
			}
		})
	}
	var client Client
	if _, err := client.Derivation(t.Context(), nil, "/gnu/store/5jyh2ay6ibz9cp0swkvdyqxqlgvrbylj-hello"); err == nil {
		t.Error("fetched what is not a derivation")
	}
}
