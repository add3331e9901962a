package front

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
)

func TestTheCacheForgetsWhatWasReadLeastRecently(t *testing.T) {
	c := newCache()
	key := func(n int) entryKey { return entryKey{uuid: fmt.Sprint(n)} }
	has := func(n int) bool {
		log, ok := c.get(key(n), version{inode: int64(n)}, 0)
		return ok && len(log.data) == cacheSize/8
	}
	for n := range 8 {
		c.put(key(n), whole{version{inode: int64(n)}, make([]byte, cacheSize/8)}, 0)
	}
	if !has(0) {
		t.Error("the first is gone, though there was room for all")
	}
	c.put(key(8), whole{version{inode: 8}, make([]byte, cacheSize/8)}, 0)
	if has(1) || !has(0) || !has(8) || c.bytes != cacheSize || len(c.at) != 8 {
		t.Errorf("got %d bytes, %d logs, want the second to be gone", c.bytes, len(c.at))
	}
	if _, ok := c.get(key(0), version{inode: 100}, 0); ok || has(0) || c.bytes != cacheSize/8*7 {
		t.Errorf("got %d bytes and %v, want a log of another version to be forgotten", c.bytes, ok)
	}
	c.put(key(3), whole{version{inode: 3}, make([]byte, 5)}, 0)
	if c.bytes != cacheSize/8*6+5 {
		t.Errorf("got %d bytes after one log was put in the place of another", c.bytes)
	}
}

func TestTheCacheForgetsWhatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache()
		size := func() int {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.bytes
		}
		c.put(entryKey{uuid: "read"}, whole{data: make([]byte, 1)}, 0)
		c.put(entryKey{uuid: "unread"}, whole{data: make([]byte, 2)}, 0)
		time.Sleep(cacheTime / 2)
		c.get(entryKey{uuid: "read"}, version{}, 0)
		time.Sleep(cacheTime/2 + time.Second)
		if got := size(); got != 1 {
			t.Errorf("got %d bytes after a minute, want those of the log that was read", got)
		}
		time.Sleep(cacheTime)
		if got := size(); got != 0 || c.sweep != nil {
			t.Errorf("got %d bytes in the end, want none, and nothing that looks for more", got)
		}
	})
}

// A log that the daemon replaces is served as it is now.
func TestALogThatChangesIsReadAnew(t *testing.T) {
	w := newWriter(t)
	server := newServer(w.handler())
	t.Cleanup(server.Close)
	read := func() (text string) {
		t.Helper()
		for range 2 { // the second time from memory
			text = body(t, get(t, server.URL+"/build/"+build+"/log"))
		}
		return text
	}
	if err := w.logs.Save(build, "none", strings.NewReader("one\n")); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "one\n" {
		t.Fatalf("got %q", got)
	}
	if err := w.logs.Save(build, "gzip", bytes.NewReader(zipped("two\n"))); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "two\n" {
		t.Errorf("got %q after the log was replaced", got)
	}
	// The build begins anew, and what it writes goes before.
	w.write("three\n")
	under := get(t, server.URL+"/build/"+build+"/log")
	w.write("four\n")
	w.end()
	if got := body(t, under); got != "three\nfour\n" {
		t.Errorf("got %q while the build wrote a new log", got)
	}
	if got := read(); got != "three\nfour\n" {
		t.Errorf("got %q after the build wrote a new log", got)
	}
	if err := w.logs.Remove(build); err != nil {
		t.Fatal(err)
	}
	if resp := get(t, server.URL+"/build/"+build+"/log"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %s after the log was removed", resp.Status)
	}
}

func zipped(text string) []byte {
	var file bytes.Buffer
	z := gzip.NewWriter(&file)
	fmt.Fprint(z, text)
	z.Close()
	return file.Bytes()
}

// What another program does to a log is seen after a while.
func TestALogThatSomebodyElseChangesIsLookedAtAgain(t *testing.T) {
	w := newWriter(t)
	synctest.Test(t, func(t *testing.T) {
		h := w.handler()
		read := func() string {
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/build/"+build+"/log", nil))
			if answer.Code != http.StatusOK {
				return http.StatusText(answer.Code)
			}
			return answer.Body.String()
		}
		if err := w.logs.Save(build, "none", strings.NewReader("one\n")); err != nil {
			t.Fatal(err)
		}
		check := func(what, want string) {
			t.Helper()
			if got := read(); got != want {
				t.Errorf("%s: got %q, want %q", what, got, want)
			}
		}
		check("at first", "one\n")
		if err := os.WriteFile(w.logs.File(build), zipped("a secret was here\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookAgain - 1)
		check("in memory", "one\n")
		time.Sleep(time.Nanosecond)
		check("after somebody wrote to it", "a secret was here\n")
		time.Sleep(lookAgain)
		check("unchanged", "a secret was here\n")
		if err := os.Remove(w.logs.File(build)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookAgain)
		check("after somebody removed it", "Not Found")
	})
}
