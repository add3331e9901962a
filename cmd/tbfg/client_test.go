package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/wire"
)

func TestErrorsOfConnectionsAreExplained(t *testing.T) {
	dial := func(err error) error {
		return fmt.Errorf("cannot list: %w", &url.Error{Op: "Get", URL: "http://x/agents", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}})
	}
	refused := dial(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	const advice = `: is "tbfg serve" running there? (--coordinator or TBFG_COORDINATOR names another)`
	other := errors.New("something else")
	status := errors.Join(&wire.StatusError{Status: 404, Code: "there is no build"}, refused)
	for _, tt := range []struct {
		err  error
		want string
	}{
		{refused, "no coordinator answers at http://x" + advice},
		{errors.Join(refused, refused), "no coordinator answers at http://x" + advice},
		{dial(errors.New("lookup x: no such host")), "no coordinator answers at http://x (lookup x: no such host)" + advice},
		{dial(context.Canceled), dial(context.Canceled).Error()},
		{other, other.Error()},
		{status, status.Error()},
	} {
		if got := coordinatorServer.explain("http://x", tt.err); got == nil || got.Error() != tt.want {
			t.Errorf("%v: got %v, want %s", tt.err, got, tt.want)
		}
	}
	if err := coordinatorServer.explain("http://x", nil); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

// However much a build waits for, not much is asked.
func TestNamesOfFewBuildsAreAskedFor(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; r.URL.Path != "/build/top" {
			w.Write([]byte(`{"derivation_name":"/gnu/store/0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix-input-1.drv"}`))
			return
		}
		w.Write([]byte(`{"waits_for":["` + strings.Join(strings.Fields("0 "+strings.Repeat("0 1 2 3 ", 2)+"4 5 6 7 8 9 a b c d e f g h i j k l m"), `","`) + `"]}`))
	}))
	defer server.Close()
	out, err := inProcess(t, "tbfg", "build", "show", "--coordinator="+server.URL, "top")
	if err != nil || asked != 1+maxNames {
		t.Fatalf("got %d requests and the error %v, want %d", asked, err, 1+maxNames)
	}
	for _, want := range []string{"waits for:   0 input-1\n", "waits for:   j input-1\n", "waits for:   k\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("got %s, want %q in it", out, want)
		}
	}
}

// Without a file anywhere the defaults hold.
func TestTheConfigurationThatIsThereIsChecked(t *testing.T) {
	want := "there is no /etc/tbfg/config.toml; the defaults are valid\n"
	if _, err := os.Stat(systemConfig); err == nil {
		want = systemConfig + ": valid\n"
	}
	if out, err := inProcess(t, "tbfg", "config", "check"); err != nil || out != want {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
}
