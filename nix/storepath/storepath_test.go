package storepath

import (
	"strings"
	"testing"
)

const hello = "0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix-hello-2.12"

func TestParse(t *testing.T) {
	name := func(n int) string { return "/gnu/store/" + hello[:33] + strings.Repeat("x", n) }
	tests := []struct {
		name  string
		in    string
		error string // a part of it; "" for none
	}{
		{"an item of Guix", "/gnu/store/" + hello, ""},
		{"an item of another store", "/tmp/test/store/" + hello, ""},
		{"every kind of character", "/gnu/store/" + hello[:33] + "aZ09+-._?=", ""},
		{"the shortest name", name(1), ""},
		{"the longest name", name(217), ""},
		{"a name too long", name(218), "longer than 217"},
		{"no name", name(0), "want 32 characters"},
		{"no hyphen", "/gnu/store/" + hello[:32] + "x2", "want 32 characters"},
		{"nothing", "", "not an absolute"},
		{"a base name", hello, "not an absolute"},
		{"a relative name", "gnu/store/" + hello, "not an absolute"},
		{"an item of the root directory", "/" + hello, "not an absolute"},
		{"the store itself", "/gnu/store", "want 32 characters"},
		{"a slash at the end", "/gnu/store/" + hello + "/", "want 32 characters"},
		{"a file below an item", "/gnu/store/" + hello + "/bin/hello", "want 32 characters"},
		{"a way round", "/gnu/store/../etc/" + hello, "not spelt plainly"},
		{"two slashes", "/gnu//store/" + hello, "not spelt plainly"},
		{"a name that starts with a dot", "/gnu/store/" + hello[:33] + ".hello", "starts with a dot"},
		{"a letter that base 32 lacks", "/gnu/store/e" + hello[1:], "not a hash in base 32"},
		{"an upper-case hash", "/gnu/store/0C" + hello[2:], "not a hash in base 32"},
		{"a blank", "/gnu/store/" + hello + " ", "' ' is not allowed"},
		{"a newline", "/gnu/store/" + hello + "\n", "not allowed"},
		{"a NUL", "/gnu/store/" + hello + "\x00", "not allowed"},
		{"a letter outside ASCII", "/gnu/store/" + hello + "é", "not allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(tt.in)
			if tt.error == "" {
				if err != nil || string(p) != tt.in {
					t.Fatalf("got %q, %v, want %q", p, err, tt.in)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.error) || p != "" {
				t.Fatalf("got %q, %v, want an error with %q", p, err, tt.error)
			}
		})
	}
}

func TestDirParse(t *testing.T) {
	d := Dir("/tmp/store")
	if p, err := d.Parse("/tmp/store/" + hello); err != nil || p != Path("/tmp/store/"+hello) {
		t.Errorf("an item of it: got %q, %v", p, err)
	}
	for _, s := range []string{
		"/gnu/store/" + hello, "/tmp/storey/" + hello, "/tmp/store" + hello, "/tmp/store/../store/" + hello, "/tmp/store/", "",
	} {
		if p, err := d.Parse(s); err == nil {
			t.Errorf("%q: got %q, want an error", s, p)
		}
	}
}

func TestObject(t *testing.T) {
	if p, err := DefaultDir.Object(hello); err != nil || p != Path("/gnu/store/"+hello) {
		t.Errorf("got %q, %v", p, err)
	}
	for _, base := range []string{"", ".", "..", "../" + hello, "x/" + hello} {
		if p, err := DefaultDir.Object(base); err == nil {
			t.Errorf("%q: got %q, want an error", base, p)
		}
	}
}

func TestParts(t *testing.T) {
	p := Path("/tmp/store/" + hello + ".drv")
	for _, tt := range []struct{ part, got, want string }{
		{"directory", string(p.Dir()), "/tmp/store"},
		{"base name", p.Base(), hello + ".drv"},
		{"hash part", p.HashPart(), hello[:32]},
		{"name", p.Name(), "hello-2.12.drv"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.part, tt.got, tt.want)
		}
	}
	if !p.IsDerivation() || Path("/tmp/store/"+hello).IsDerivation() {
		t.Error("derivations are told from other items by .drv")
	}
}

func TestErrorsStayShort(t *testing.T) {
	_, err := Parse("/gnu/store/" + strings.Repeat("\x00", 1<<20))
	if n := len(err.Error()); n > 4000 {
		t.Errorf("got an error of %d bytes", n)
	}
}

// The parts of whatever parses put together give the path again, and no item
// leads out of its directory.
func FuzzParse(f *testing.F) {
	f.Add("/gnu/store/" + hello)
	f.Add("/gnu/store/" + hello + "/bin")
	f.Add("/a/../b/" + hello)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			return
		}
		if again := Path(string(p.Dir()) + "/" + p.HashPart() + "-" + p.Name()); again != Path(s) {
			t.Errorf("%q: the parts make %q", s, again)
		}
		if strings.Contains(p.Base(), "/") || strings.Contains(s, "/../") {
			t.Errorf("%q: leads elsewhere", s)
		}
		if q, err := p.Dir().Parse(s); err != nil || q != p {
			t.Errorf("%q: its own directory says %q, %v", s, q, err)
		}
		if q, err := p.Dir().Object(p.Base()); err != nil || q != p {
			t.Errorf("%q: its base name makes %q, %v", s, q, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := DefaultDir.Parse("/gnu/store/" + hello); err != nil {
			b.Fatal(err)
		}
	}
}
