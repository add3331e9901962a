package machine

import (
	"os"
	"strings"
	"testing"
)

func TestSubstitutesComeFromAnAuthorizedServerOnly(t *testing.T) {
	for _, suite := range []string{Sid, Bullseye} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			substitute(t, withDaemon(t, suite), New(t))
		})
	}
}

func substitute(t *testing.T, server, stranger *Machine) {
	out, err := build(t.Context(), server, "treasure", `echo "$out" >"$out"`)
	if err != nil {
		t.Fatal(err)
	}
	item := strings.TrimSpace(out)
	pub, err := server.Publish(t.Context(), "--compression=gzip:3")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(pub.Key, "(public-key") {
		t.Errorf("got %q, want a public key", pub.Key)
	}
	if _, err := stranger.Daemon(t.Context(), "--substitute-urls="+pub.URL); err != nil {
		t.Fatal(err)
	}
	// The client does not call it an error that there is no acceptable substitute.
	_, err = stranger.Run(t.Context(), "guix", "build", item)
	if _, missing := os.Lstat(stranger.Path(item)); missing == nil {
		t.Fatalf("took an item from a server that is not authorized: %v", err)
	}
	if err := stranger.Authorize(t.Context(), pub.Key); err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Run(t.Context(), "guix", "build", item); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(stranger.Path(item)); err != nil || string(got) != item+"\n" {
		t.Errorf("got %q, %v", got, err)
	}
}
