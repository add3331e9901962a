package narinfo

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/nix/storepath"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var ignoreText = cmpopts.IgnoreUnexported(Info{})

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func hash(t testing.TB, hexadecimal string) (sum [32]byte) {
	t.Helper()
	if n, err := hex.Decode(sum[:], []byte(hexadecimal)); err != nil || n != len(sum) {
		t.Fatalf("%q is no hash", hexadecimal)
	}
	return sum
}

func TestParse(t *testing.T) {
	const bash = "y87ski8rd2bjrhqimv18ika5zbr9g5if-bash-static"
	// As nix-hash --to-base16 has it; both fixtures say the same.
	narHash := hash(t, "24b60ec9b3fb1a431793c1106abe3bd5632c076d95661254d7449486c71ea4e9")
	for _, test := range []struct {
		name   string
		want   *Info
		signed string // how the signed text ends
	}{
		{
			name: "publish-cache",
			want: &Info{
				StorePath: "/gnu/store/" + bash,
				NarHash:   narHash,
				NarSize:   2565616,
				Archives: []Archive{
					{"nar/lzip/" + bash, "lzip", 1022053},
					{"nar/gzip/" + bash, "gzip", 1232005},
				},
			},
			signed: "NarSize: 2565616\nReferences: \n",
		},
		{
			name: "above",
			want: &Info{
				StorePath: "/gnu/store/5jyh2ay6ibz9cp0swkvdyqxqlgvrbylj-hello-2.12.2",
				NarHash:   narHash,
				NarSize:   217304,
				References: []storepath.Path{
					"/gnu/store/5jyh2ay6ibz9cp0swkvdyqxqlgvrbylj-hello-2.12.2",
					"/gnu/store/dfm1fwd47zyb3j7hj7qmk1lvrs0qb25m-glibc-2.41",
				},
				Deriver:   "/gnu/store/2nfg943asrl9dv64zrr1a4kpb25mfafd-hello-2.12.2.drv",
				Archives:  []Archive{{"nar/lzip/5jyh2ay6ibz9cp0swkvdyqxqlgvrbylj-hello-2.12.2", "lzip", 51234}},
				Signature: "1;farm.example;KHNpZ25hdHVyZSk=",
			},
			signed: "x86_64-linux\nDeriver: 2nfg943asrl9dv64zrr1a4kpb25mfafd-hello-2.12.2.drv\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := read(t, test.name+".narinfo")
			got, err := Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			if test.want.Signature == "" { // a real one, too long for a table
				test.want.Signature = got.Signature
			}
			if diff := cmp.Diff(test.want, got, ignoreText); diff != "" {
				t.Errorf("info (-want +got):\n%s", diff)
			}
			signed := got.Signed()
			if !bytes.HasPrefix(data, signed) || !bytes.HasSuffix(signed, []byte(test.signed)) {
				t.Errorf("signed is %q", signed)
			}
			if !bytes.HasPrefix(data[len(signed):], []byte("Signature: 1;")) {
				t.Errorf("signed ends before %.20q", data[len(signed):])
			}
		})
	}
}

func TestText(t *testing.T) {
	files, err := filepath.Glob("testdata/*.narinfo")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		name = filepath.Base(name)
		t.Run(name, func(t *testing.T) {
			data := read(t, name)
			info, err := Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			got := info.Text()
			want := data // guix publish writes what we write
			if !strings.HasPrefix(name, "publish") {
				golden := strings.TrimSuffix(name, ".narinfo") + ".text"
				if *update {
					if err := os.WriteFile(filepath.Join("testdata", golden), got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want = read(t, golden)
			} else if !bytes.Equal(info.Normative(), info.Signed()) {
				t.Errorf("what is signed is\n%s\nwant\n%s", info.Normative(), info.Signed())
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

// item is a narinfo without archives and signature.
const item = `StorePath: /gnu/store/y87ski8rd2bjrhqimv18ika5zbr9g5if-bash-static
NarHash: sha256:1sd43v3qd524sxa14rlmdl3jqqym7fz6l461jcbl66pvng4hxdi4
NarSize: 2565616
References: 
`

func TestParseTolerates(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"no archives and no signature", item},
		{"unknown keys", item + "Colour: red\nEmpty:\n%odd: 1\n"},
		{"several lines under an unknown key", item + "Story: once\n+ upon\n+a time\n"},
		{"comments", "# one\n" + item + "#two\n"},
		{"empty lines before it", "\n\n" + item},
		{"anything after an empty line", item + "\nNarSize: none\nnonsense"},
		{"no newline at the end", strings.TrimSuffix(item, "\n")},
		{"an empty deriver", item + "Deriver: \n"},
		{"a size that is none", item + "URL: nar/x\nFileSize: unknown\n"},
		{"no blank after the colon", strings.ReplaceAll(item, ": ", ":")},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if got.StorePath.Name() != "bash-static" || got.NarSize != 2565616 || got.Signed() != nil {
				t.Fatalf("got %+v", got)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	var references, archives strings.Builder
	for i := range maxReferences + 1 {
		fmt.Fprintf(&references, " 00000000000000000000000000000000-%d", i)
	}
	for range maxArchives + 1 {
		archives.WriteString("URL: nar/x\n")
	}
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "StorePath is missing"},
		{"no hash", strings.Replace(item, "NarHash", "NoHash", 1), "NarHash is missing"},
		{"no size", strings.Replace(item, "NarSize", "NoSize", 1), "NarSize is missing"},
		{"no references", strings.Replace(item, "References", "No", 1), "References is missing"},
		{"a line without a colon", item + "nonsense", "without a key"},
		{"a line without a key", item + ": nonsense", "without a key"},
		{"a path outside any store", strings.Replace(item, "/gnu/store/", "", 1), "not an absolute"},
		{"a path below an item", strings.Replace(item, "-static", "-static/bin", 1), "store path"},
		{"a reference with a directory", strings.Replace(item, "References: ", "References: ../x", 1), "store path"},
		{"a deriver with a directory", item + "Deriver: /x\n", "store path"},
		{"another hash algorithm", strings.Replace(item, "sha256:", "sha512:", 1), "not a SHA-256"},
		{"a short hash", strings.Replace(item, "sha256:1", "sha256:", 1), "not a SHA-256"},
		{"a hash with other digits", strings.Replace(item, "sha256:1s", "sha256:1e", 1), "not a digit"},
		{"a negative size", strings.Replace(item, "2565616", "-2565616", 1), "not a size"},
		{"a size of nothing", strings.Replace(item, "2565616", "0", 1), "not a size"},
		{"a size beyond all", strings.Replace(item, "2565616", "9223372036854775808", 1), "not a size"},
		{"two store paths", item + item, "StorePath is there twice"},
		{"two sizes", item + "NarSize: 1\n", "NarSize is there twice"},
		{"two signatures", item + "Signature: a\nSignature: b\n", "Signature is there twice"},
		{"a compression of nothing", item + "Compression: gzip\nURL: nar/x\n", "before any URL"},
		{"a size of nothing", item + "FileSize: 1\nURL: nar/x\n", "before any URL"},
		{"two compressions", item + "URL: nar/x\nCompression: gzip\nCompression: lzip\n", "two compressions"},
		{"two sizes of an archive", item + "URL: nar/x\nFileSize: 1\nFileSize: 1\n", "two sizes"},
		{"an empty URL", item + "URL:\n", "empty"},
		{"several lines under a known key", item + "Deriver: a\n+ b\n", "several lines"},
		{"a further line of nothing", "+ a\n" + item, "several lines"},
		{"many references", strings.Replace(item, "References:", "References:"+references.String(), 1), "references"},
		{"many archives", item + archives.String(), "archives"},
		{"a long text", item + strings.Repeat("#", MaxSize), "longer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want …%s…", err, test.want)
			}
		})
	}
}

// What is not signed in Guix's eyes is not signed in ours, and nobody gets to
// choose which bytes are.
func TestSigned(t *testing.T) {
	path, rest, _ := strings.Cut(item, "\n")
	for _, test := range []struct{ name, text, want string }{
		{"all above", item + "Signature: s\nURL: nar/x\n", item},
		{"a deriver below", item + "Signature: s\nDeriver:\n", item},
		{"no signature", item, ""},
		{"all below", "Signature: s\n" + item, ""},
		{"the path below", rest + "Signature: s\n" + path + "\n", ""},
		{"the word in an earlier key", "MySignature: s\n" + item + "Signature: s\n", ""},
		{"the word in an earlier value", "Note: Signature: s\n" + item + "Signature: s\n", ""},
		{"after the end of the record", item + "\nSignature: s\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			info, err := Parse([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(info.Signed()); got != test.want {
				t.Fatalf("got %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.narinfo")
	for _, name := range files {
		f.Add(read(f, filepath.Base(name)))
	}
	f.Add([]byte(item + "Story: once\n+ upon\n\nand more"))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := Parse(data)
		if err != nil {
			return
		}
		if signed := info.Signed(); !bytes.HasPrefix(data, signed) {
			t.Fatal("the signed text is not a part of the text")
		}
		text := info.Text()
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("what it prints cannot be read: %v\n%s", err, text)
		}
		if diff := cmp.Diff(info, again, ignoreText); diff != "" {
			t.Fatalf("what it prints reads otherwise (-first +second):\n%s", diff)
		}
		if !bytes.Equal(again.Text(), text) {
			t.Fatal("what it prints is not canonical")
		}
	})
}
