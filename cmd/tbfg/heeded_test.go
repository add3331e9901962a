package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Whatever is put in the place of a secret, requests are served with the one
// that there was.
func TestWhatIsNoFileIsNotWaitedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client.token")
	put := func(make func() error) {
		t.Helper()
		_ = os.Remove(file) // it may not be there
		if err := make(); err != nil {
			t.Fatal(err)
		}
	}
	token := func(text string) func() error {
		return func() error { return os.WriteFile(file, []byte(text+"\n"), 0o600) }
	}
	const old, next = "OTCKFLsB5QRq8XBnZ3nCDAxYLbA4F4kxGz7JPBkU", "IUwGrsEklfu0kVf_QquCOdzfa6-P52qPlcwBd5YB"
	put(token(old))
	var log output
	said := slog.New(slog.NewTextHandler(&log, nil))
	h, err := heed(t.Context(), "the token", file, readClientToken(said), said)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		put  func() error
		want string
	}{
		{"nothing", func() error { return nil }, old},
		{"a pipe", func() error { return unix.Mkfifo(file, 0o600) }, old},
		{"a directory", func() error { return os.Mkdir(file, 0o700) }, old},
		{"a token", token(next), next},
	} {
		put(tt.put)
		got := make(chan string)
		go func() {
			h.reread()
			got <- h.value()
		}()
		select {
		case got := <-got:
			if got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: it is waited for", tt.name)
		}
	}
	if text := log.String(); !strings.Contains(text, `err="it is not a regular file"`) {
		t.Errorf("got the log\n%s", text)
	}
}

func TestTheModeOfATokenIsToldOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client.token")
	if err := os.WriteFile(file, []byte("OTCKFLsB5QRq8XBnZ3nCDAxYLbA4F4kxGz7JPBkU\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log output
	read := readClientToken(slog.New(slog.NewTextHandler(&log, nil)))
	for _, tt := range []struct {
		mode os.FileMode
		told int // in all
	}{{0o600, 0}, {0o644, 1}, {0o644, 1}, {0o640, 2}, {0o600, 2}, {0o640, 3}} {
		if err := os.Chmod(file, tt.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := read(file); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(log.String(), "can be read by others"); got != tt.told {
			t.Errorf("mode %o: told %d times, want %d", tt.mode, got, tt.told)
		}
	}
}
