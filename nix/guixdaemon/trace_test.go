package guixdaemon

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// record makes t write down what it finds, pieces of one kind joined, so that
// the result does not depend on how the text was cut.
func record(t *Trace) *[]string {
	var got []string
	last := ""
	add := func(kind, s string) error {
		if kind == last {
			got[len(got)-1] += s
		} else {
			got = append(got, kind+": "+s)
		}
		last = kind
		return nil
	}
	t.BuildLog = func(pid int, p []byte) error { return add(fmt.Sprint(pid), string(p)) }
	t.Text = func(p []byte) error { return add("text", string(p)) }
	t.Event = func(e Event) error {
		last = ""
		return add("event", strings.Join(append([]string{e.Name}, e.Fields...), "|"))
	}
	return &got
}

var traces = []struct {
	name  string
	plain bool
	in    string
	want  []string
}{
	{
		name: "a build",
		in: "@ build-started /gnu/store/x.drv - x86_64-linux /var/log/guix/drvs/x.drv.gz 42\n" +
			"@ build-log 42 6\nhello\n@ build-log 42 3\nend@ build-succeeded /gnu/store/x.drv -\n",
		want: []string{
			"event: build-started|/gnu/store/x.drv|-|x86_64-linux|/var/log/guix/drvs/x.drv.gz|42",
			"42: hello\nend",
			"event: build-succeeded|/gnu/store/x.drv|-",
		},
	},
	{
		name: "two builds at once",
		in:   "@ build-log 1 2\na\n@ build-log 2 2\nb\n@ build-log 1 2\nc\n",
		want: []string{"1: a\n", "2: b\n", "1: c\n"},
	},
	{
		name: "a builder cannot forge events",
		in:   "@ build-log 1 46\n@ build-failed /gnu/store/x.drv - 1 oh\n@ build-@ build-succeeded /gnu/store/x.drv -\n",
		want: []string{"1: @ build-failed /gnu/store/x.drv - 1 oh\n@ build", "text: -@ build-succeeded /gnu/store/x.drv -\n"},
	},
	{
		name: "bytes that are no text",
		in:   "@ build-log 7 4\n\x00\xff\r\n\xfe\xff\n",
		want: []string{"7: \x00\xff\r\n", "text: \xfe\xff\n"},
	},
	{
		name: "an empty frame",
		in:   "@ build-log 7 0\n@ build-log 7 1\nx",
		want: []string{"7: x"},
	},
	{
		name: "an empty field is kept",
		in:   "@ build-started /gnu/store/x.drv - x86_64-linux  9\n",
		want: []string{"event: build-started|/gnu/store/x.drv|-|x86_64-linux||9"},
	},
	{
		name: "text among events",
		in:   "building path(s)\n@ a b\n\nbuilder failed\n @ c\n@@ d\n@ e\n",
		want: []string{"text: building path(s)\n", "event: a|b", "text: \nbuilder failed\n @ c\n@@ d\n", "event: e"},
	},
	{
		name: "progress with carriage returns",
		in:   "downloading 10%\rdownloading 90%\r@ substituter-succeeded /gnu/store/x\n",
		want: []string{"text: downloading 10%\rdownloading 90%\r", "event: substituter-succeeded|/gnu/store/x"},
	},
	{
		name: "malformed frames are text",
		in: "@ build-log\n@ build-log 1\n@ build-log x 3\n@ build-log 1 -3\n@ build-log 1 3 4\n" +
			"@ build-log 1 99999999999999999999\n@ build-log 1 9999999999\n@ build-log 99999999999 1\n@ \n@  x\n@\n",
		want: []string{"text: @ build-log\n@ build-log 1\n@ build-log x 3\n@ build-log 1 -3\n@ build-log 1 3 4\n" +
			"@ build-log 1 99999999999999999999\n@ build-log 1 9999999999\n@ build-log 99999999999 1\n@ \n@  x\n@\n"},
	},
	{
		name: "an event that does not end",
		in:   "@ build-succeeded /gnu/store/x.drv -",
		want: []string{"text: @ build-succeeded /gnu/store/x.drv -"},
	},
	{
		name: "a line too long for an event",
		in:   "@ x " + strings.Repeat("y", maxEventLine) + "\n@ z\n",
		want: []string{"text: @ x " + strings.Repeat("y", maxEventLine) + "\n", "event: z"},
	},
	{
		name:  "an old daemon",
		plain: true,
		in: "@ build-started /gnu/store/x.drv - x86_64-linux /log\nhello\n@ 5 users\n@ build-log 1 2\n" +
			"@ build-failed /gnu/store/x.drv - 1 failed with exit code 1\n",
		want: []string{
			"event: build-started|/gnu/store/x.drv|-|x86_64-linux|/log",
			"0: hello\n@ 5 users\n@ build-log 1 2\n",
			"event: build-failed|/gnu/store/x.drv|-|1|failed|with|exit|code|1",
		},
	},
}

func TestTrace(t *testing.T) {
	for _, test := range traces {
		t.Run(test.name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 7, 64, len(test.in)} {
				trace := &Trace{Plain: test.plain}
				got := record(trace)
				for rest := test.in; rest != ""; {
					n := min(size, len(rest))
					if used, err := trace.Write([]byte(rest[:n])); used != n || err != nil {
						t.Fatalf("Write: got %d, %v, want %d", used, err, n)
					}
					rest = rest[n:]
				}
				if err := trace.Flush(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, *got); diff != "" {
					t.Fatalf("cut in pieces of %d (-want +got):\n%s", size, diff)
				}
			}
		})
	}
}

func TestTraceWithoutFunctionsDiscards(t *testing.T) {
	in := "text\n@ event\n@ build-log 1 3\nlog"
	for _, trace := range []*Trace{{}, {Plain: true}} {
		if n, err := trace.Write([]byte(in)); n != len(in) || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	}
}

func TestTraceKeepsTheFirstError(t *testing.T) {
	full := errors.New("disk full")
	calls := 0
	trace := &Trace{BuildLog: func(int, []byte) error { calls++; return full }}
	for range 2 {
		if _, err := trace.Write([]byte("@ build-log 1 3\nlog@ build-log 1 3\nlog")); !errors.Is(err, full) {
			t.Errorf("Write: got %v, want %v", err, full)
		}
	}
	if err := trace.Flush(); !errors.Is(err, full) || calls != 1 {
		t.Errorf("Flush: got %v after %d calls, want %v after one", err, calls, full)
	}
}

func TestFlushReadiesForAnotherLog(t *testing.T) {
	trace := &Trace{}
	got := record(trace)
	for _, in := range []string{"@ build-log 1 100\ncut", "@ cu", "cut", "@ event\n"} {
		trace.Write([]byte(in))
		trace.Flush()
	}
	if diff := cmp.Diff([]string{"1: cut", "text: @ cucut", "event: event"}, *got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
