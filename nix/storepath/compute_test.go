package storepath

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/binary"
	"strings"
	"testing"
)

// The wanted paths of this file are answers of the guix-daemon of Guix 1.5.0
// to add-text-to-store, add-to-store and derivations added to it.

func TestText(t *testing.T) {
	const (
		src Path = "/gnu/store/dcbflfj9780pj440vcbj1pvlgrd7fl1b-src.drv"
		a   Path = "/gnu/store/wr7w7fa0x1p0iy4y9m6x2zkcxij5cq7g-a.drv"
	)
	tests := []struct {
		name string
		item string
		refs []Path
		want Path
	}{
		{"no references", "t", nil, "/gnu/store/wpa3ggdn18ca18f86lcdi428kh9f6wgb-t"},
		{"one reference", "t", []Path{src}, "/gnu/store/i05yki4l854zqxbhl7iwg02a6y54slkr-t"},
		{"two references", "t", []Path{src, a}, "/gnu/store/7sbk6l0w8ph0h4kgif220xhbkgwqx6qz-t"},
		{"references are a set", "t", []Path{a, src, a}, "/gnu/store/7sbk6l0w8ph0h4kgif220xhbkgwqx6qz-t"},
		{"every odd character", "=?x_-+.", nil, "/gnu/store/38m9k1hgfhzr40a3iihc7l0kaks2ysa8-=?x_-+."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DefaultDir.Text(tt.item, []byte("hello\n"), tt.refs)
			if got != tt.want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestTextKeepsTheCallersReferences(t *testing.T) {
	refs := []Path{"/gnu/store/b", "/gnu/store/a"}
	if _, err := DefaultDir.Text("t", nil, refs); err != nil {
		t.Fatal(err)
	}
	if refs[0] != "/gnu/store/b" {
		t.Errorf("got the references in another order: %q", refs)
	}
}

func TestFixedOutput(t *testing.T) {
	x := []byte("x")
	md5x, sha1x, sha256x, sha512x := md5.Sum(x), sha1.Sum(x), sha256.Sum256(x), sha512.Sum512(x)
	sha3x, sha3x512 := sha3.Sum256(x), sha3.Sum512(x)
	nar := sha256.Sum256(narOf("hello\n"))
	narSHA1 := sha1.Sum(narOf("hello\n"))
	flat := sha256.Sum256([]byte("hello\n"))
	tests := []struct {
		item      string
		recursive bool
		algo      string
		hash      []byte
		want      Path
	}{
		{"nf", false, "md5", md5x[:], "/gnu/store/ivwzcm4y1n929k931xc5h1162b72mj7p-nf"},
		{"nf", false, "sha1", sha1x[:], "/gnu/store/axi1gba6m5frk4iyrs0336ymqxf20j2v-nf"},
		{"nf", false, "sha256", sha256x[:], "/gnu/store/h6c6mxzzzxpifmrxjayj92mzkrih7alv-nf"},
		{"nf", true, "sha256", sha256x[:], "/gnu/store/ssrh5f5rlvg09k9arm3rzfcvgln875nv-nf"},
		{"nf", true, "sha512", sha512x[:], "/gnu/store/pwgb2lgqvps52w69vvv63rcimj0hh20r-nf"},
		{"nf", true, "sha3-256", sha3x[:], "/gnu/store/i89n47argrda8akwxwqi697bizhcyh3k-nf"},
		{"nf", false, "sha3-512", sha3x512[:], "/gnu/store/606dfkp0qv46g4llfgcpjlqfr1wv0bgl-nf"},
		{"f", true, "sha256", nar[:], "/gnu/store/0gsmik1kqcibldncql6c59xnh02rjawy-f"},
		{"f", false, "sha256", flat[:], "/gnu/store/qx158rinhvizq63ffidi4w9gw5v7ikfm-f"},
		{"f", true, "sha1", narSHA1[:], "/gnu/store/zfn0kc84qvnv7kfgfndh0kva2ix253xa-f"},
	}
	for _, tt := range tests {
		got, err := DefaultDir.FixedOutput(tt.item, tt.recursive, tt.algo, tt.hash)
		if got != tt.want || err != nil {
			t.Errorf("%s, %s, recursive %v: got %q, %v, want %q", tt.item, tt.algo, tt.recursive, got, err, tt.want)
		}
	}
}

// narOf is the NAR of a plain file, which is short enough to write here and
// keeps this package free of nix/nar.
func narOf(content string) []byte {
	var nar []byte
	for _, s := range []string{"nix-archive-1", "(", "type", "regular", "contents", content, ")"} {
		nar = binary.LittleEndian.AppendUint64(nar, uint64(len(s)))
		nar = append(nar, s...)
		nar = append(nar, make([]byte, -len(s)&7)...)
	}
	return nar
}

// References of sources exist in the path's scheme only; no operation of the
// daemon adds any. They must enter the path, as a set, like those of texts.
func TestSourceReferences(t *testing.T) {
	sum := sha256.Sum256(nil)
	source := func(refs ...Path) Path {
		p, err := DefaultDir.Source("s", sum, refs)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if source("/gnu/store/a") == source() {
		t.Error("a reference makes no difference")
	}
	if source("/gnu/store/a", "/gnu/store/b") != source("/gnu/store/b", "/gnu/store/a", "/gnu/store/a") {
		t.Error("the order of references makes a difference")
	}
}

// Output is tested on real derivations, in nix/derivation: only they have
// hashes to compute it from. Here is what it does with names and directories.
func TestOutputNames(t *testing.T) {
	sum := sha256.Sum256(nil)
	for output, want := range map[string]string{"out": "hello-2.12", "lib": "hello-2.12-lib"} {
		p, err := Dir("/tmp/store").Output(output, "hello-2.12", sum)
		if err != nil {
			t.Fatal(err)
		}
		if p.Name() != want || p.Dir() != "/tmp/store" {
			t.Errorf("output %q: got %q, want the name %q in /tmp/store", output, p, want)
		}
		if _, err := Dir("/tmp/store").Parse(string(p)); err != nil {
			t.Error(err)
		}
	}
}

func TestComputeRefuses(t *testing.T) {
	var sum [sha256.Size]byte
	long := strings.Repeat("x", maxNameLen+1)
	tests := []struct {
		name    string
		compute func() (Path, error)
		want    string
	}{
		{"a dot in front", func() (Path, error) { return DefaultDir.Text(".x", nil, nil) }, "starts with a dot"},
		{"no name", func() (Path, error) { return DefaultDir.Text("", nil, nil) }, "empty"},
		{"a slash", func() (Path, error) { return DefaultDir.Source("a/b", sum, nil) }, "not allowed"},
		{"a long name", func() (Path, error) { return DefaultDir.Source(long, sum, nil) }, "longer than 217"},
		{"an unknown hash", func() (Path, error) { return DefaultDir.FixedOutput("x", true, "sha384", sum[:]) }, "unknown hash"},
		{"a short hash", func() (Path, error) { return DefaultDir.FixedOutput("x", true, "sha512", sum[:]) }, "has 64"},
		{"an output without a name", func() (Path, error) { return DefaultDir.Output("", "x", sum) }, "empty"},
		{"an output with a slash", func() (Path, error) { return DefaultDir.Output("a/b", "x", sum) }, "not allowed"},
		{"a long name of an output", func() (Path, error) { return DefaultDir.Output("lib", long[4:], sum) }, "longer than 217"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.compute()
			if err == nil || !strings.Contains(err.Error(), tt.want) || got != "" {
				t.Errorf("got %q, %v, want an error with %q", got, err, tt.want)
			}
		})
	}
}
