package lzip

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
)

// random is data that cannot be compressed, the same every time.
func random(n int) string {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return string(b)
}

var samples = []struct{ name, data string }{
	{"nothing", ""},
	{"a byte", "a"},
	{"a line", "hello, world\n"},
	{"zeros", strings.Repeat("\x00", 100_000)},
	{"text", strings.Repeat("All that is gold does not glitter, ", 5000)},
	{"noise", random(30_000)},
	{"noise, and again", random(30_000) + strings.Repeat("-", 70_000) + random(30_000)},
}

func compress(t testing.TB, data string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	if n, err := io.WriteString(w, data); n != len(data) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, test := range samples {
		t.Run(test.name, func(t *testing.T) {
			file := compress(t, test.data)
			got, err := io.ReadAll(NewReader(iotest.HalfReader(bytes.NewReader(file))))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.data {
				t.Fatalf("got %d bytes, want %d, or others", len(got), len(test.data))
			}
		})
	}
}

// The reference implementation reads what we write, and we what it writes.
func TestAsLzipDoes(t *testing.T) {
	lzip, err := exec.LookPath("lzip")
	if err != nil {
		why := "lzip is not installed (Debian: apt-get install lzip), so there is nothing to compare with"
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	run := func(t *testing.T, input []byte, args ...string) []byte {
		cmd := exec.Command(lzip, args...)
		cmd.Stdin = bytes.NewReader(input)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("lzip %v: %v", args, err)
		}
		return out
	}
	var members []byte
	var all string
	for _, test := range samples {
		t.Run(test.name, func(t *testing.T) {
			if got := run(t, compress(t, test.data), "-d"); string(got) != test.data {
				t.Errorf("lzip reads %d bytes, want %d, or others", len(got), len(test.data))
			}
			for _, options := range []string{"-0", "-6", "-9", "-s4KiB", "-s65537", "-b100kB"} {
				file := run(t, []byte(test.data), "-c", options)
				members, all = append(members, file...), all+test.data
				got, err := io.ReadAll(NewReader(bytes.NewReader(file)))
				if err != nil {
					t.Errorf("what lzip %s writes: %v", options, err)
				}
				if string(got) != test.data {
					t.Errorf("what lzip %s writes: got %d bytes, want %d, or others", options, len(got), len(test.data))
				}
			}
		})
	}
}

func TestSeveralMembers(t *testing.T) {
	// The dictionaries are our Writer's, too large for small data: the
	// number of members is limited.
	file := append(compress(t, "one, "), compress(t, "two, ")...)
	file = append(file, compress(t, "three")...)
	got, err := io.ReadAll(NewReader(iotest.OneByteReader(bytes.NewReader(file))))
	if err != nil || string(got) != "one, two, three" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestReaderRefuses(t *testing.T) {
	file := compress(t, "hello, world\n")
	edit := func(at int, b byte) []byte {
		c := bytes.Clone(file)
		if at < 0 {
			at += len(c)
		}
		c[at] ^= b
		return c
	}
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"nothing", nil, "unexpected EOF"},
		{"another format", []byte("\x1f\x8b\x08\x00\x00\x00\x00"), "not an lzip file"},
		{"another version", edit(4, 1), "version 0"},
		{"a dictionary that is too small", edit(5, 23^11), "not a size"},
		{"a dictionary that the format does not know", edit(5, 23^30), "not a size"},
		{"a dictionary that is too large", edit(5, 23^27), "larger than"},
		{"a stream that does not start with zero", edit(6, 1), "not zero"},
		{"another checksum", edit(-20, 1), "checksum"},
		{"another size of the data", edit(-16, 1), "size of the data"},
		{"another size of the member", edit(-8, 1), "size of the member"},
		{"a byte after it", append(bytes.Clone(file), 'L'), "unexpected EOF"},
		{"zeros after it", append(bytes.Clone(file), make([]byte, 100)...), "other than a member"},
		{"many empty members", bytes.Repeat(compress(t, ""), 9), "out of proportion"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := NewReader(bytes.NewReader(test.file))
			_, err := io.ReadAll(r)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want …%s…", err, test.want)
			}
			if _, again := r.Read(make([]byte, 1)); again != err {
				t.Fatalf("then it returns %v", again)
			}
		})
	}
	for n := range len(file) {
		if _, err := io.ReadAll(NewReader(bytes.NewReader(file[:n]))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d bytes of it: got %v, want unexpected EOF", n, err)
		}
	}
}

func TestDictionarySize(t *testing.T) {
	for _, test := range []struct {
		b    byte
		want int // 0 for none
	}{
		{12, 4 << 10},
		{23, 8 << 20},
		{25, 32 << 20},
		{29, 512 << 20},
		{0xd3, 320 << 10}, // the manual's example: 2^19 - 6 * 2^15
		{11, 0},
		{12 | 1<<5, 0}, // 3,840
		{30, 0},
		{31 | 7<<5, 0},
	} {
		got, err := dictionarySize(test.b)
		if got != test.want || (err == nil) != (test.want > 0) {
			t.Errorf("%#x: got %d, %v, want %d", test.b, got, err, test.want)
		}
	}
}

type fullDisk struct{ left int }

var errFull = errors.New("no space")

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.left {
		return 0, errFull
	}
	d.left -= len(p)
	return len(p), nil
}

func TestWriterKeepsItsError(t *testing.T) {
	noise := random(50_000)
	size := len(compress(t, noise))
	for _, space := range []int{0, headerSize, 20_000, size - 1} {
		w := NewWriter(&fullDisk{space})
		io.WriteString(w, noise)
		for range 2 {
			if err := w.Close(); !errors.Is(err, errFull) {
				t.Errorf("%d bytes of space: got %v", space, err)
			}
		}
	}
	w := NewWriter(io.Discard)
	w.Close()
	if _, err := w.Write([]byte("a")); err == nil {
		t.Error("wrote after Close")
	}
}

func FuzzReader(f *testing.F) {
	for _, test := range samples {
		if len(test.data) <= 100 {
			f.Add(compress(f, test.data))
		}
	}
	f.Add(append(compress(f, "one"), compress(f, "two")...))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 5 {
			file[5] = 12 | file[5]&0xc0 // fuzzing is no use if it allocates all day
		}
		got, err := io.ReadAll(io.LimitReader(NewReader(bytes.NewReader(file)), 1<<20))
		again, errAgain := io.ReadAll(io.LimitReader(NewReader(iotest.OneByteReader(bytes.NewReader(file))), 1<<20))
		if !bytes.Equal(got, again) || (err == nil) != (errAgain == nil) {
			t.Fatalf("%d bytes, %v, but byte by byte %d, %v", len(got), err, len(again), errAgain)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	data := strings.Repeat(random(1000)+strings.Repeat("some text ", 300), 500)
	file := compress(b, data)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.Copy(io.Discard, NewReader(bytes.NewReader(file))); err != nil {
			b.Fatal(err)
		}
	}
}
