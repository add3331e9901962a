package system

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// fetch is what a server has at a URL.
func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// narinfoAt is what a server says of an item; empty if it has none.
func narinfoAt(t *testing.T, url string, item storepath.Path) string {
	t.Helper()
	status, text := fetch(t, url+"/"+item.HashPart()+".narinfo")
	if status == http.StatusNotFound {
		return ""
	}
	return text
}

// authorize makes a machine trust what the farm serves.
func (f *farm) authorize(on *host) {
	f.t.Helper()
	_, key := fetch(f.t, f.frontURL+"/signing-key.pub")
	if err := on.Authorize(f.ctx, key); err != nil {
		f.t.Fatal(err)
	}
}

// take has a machine's daemon get an item from its substitute servers.
func (h *host) take(item storepath.Path) error {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	conn, err := guixdaemon.Dial(ctx, h.Socket())
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetOptions(ctx, guixdaemon.Options{UseSubstitutes: true}); err != nil {
		h.t.Fatal(err)
	}
	return conn.EnsurePath(ctx, item)
}

// What the farm keeps, another machine's guix-daemon gets from it: in all forms,
// with a key that guix authorizes, and not when that has been replaced.
func TestKeptOutputsAreSubstitutes(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	var conf config.Config
	f := newFarm(h, keepOutputs, func(c *config.Config) {
		c.LocalAgent.Compression = "zstd"
		conf = *c
	})
	customer := newHost(t)
	customer.startDaemon("--substitute-urls=" + f.frontURL)
	f.authorize(customer)

	lib := h.add(toy.Recipe{Name: "lib", Outputs: []string{"out", "doc"}, Script: `echo documentation >"$doc"; mkdir "$out"; echo "see $doc" >"$out/lib"`})
	f.waitState(daemon.Succeeded, f.submit(lib)...)
	for _, compression := range []string{"lzip", "none"} {
		conf.LocalAgent.Compression = compression
		h.writeConfig("/etc/tbfg/config.toml", conf)
		if r := f.tbfg("reload"); r.status != 0 {
			t.Fatalf("reload: %+v", r)
		}
		drv := h.add(toy.Recipe{Name: "c++-" + compression, Inputs: []*toy.Drv{lib}, Script: `echo "$in_lib" >"$out"`})
		f.waitState(daemon.Succeeded, f.submit(drv)...)
		if text := narinfoAt(t, f.frontURL, drv.Out()); !strings.Contains(text, "\nCompression: "+compression+"\n") {
			t.Errorf("got the narinfo\n%s\nwant the compression %s", text, compression)
		}
		if err := customer.take(drv.Out()); err != nil { // with the library
			t.Fatalf("%s: %v", compression, err)
		}
		for _, item := range []storepath.Path{drv.Out(), lib.Out() + "/lib", lib.Outputs["doc"]} {
			if got, want := customer.read(string(item)), h.read(string(item)); got != want || want == "" {
				t.Errorf("%s: got %q of %s, want %q", compression, got, item, want)
			}
		}
	}

	// guix publish signs with the same key.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, public := fetch(t, f.frontURL+"/signing-key.pub")
	h.write("/tmp/key.pub", public, 0o644)
	publisher, err := h.Publish(ctx, "--public-key=/tmp/key.pub", "--private-key="+stateDir+"/secrets/signing.key")
	if err != nil {
		t.Fatal(err)
	}
	text := narinfoAt(t, publisher.URL, lib.Out())
	info, err := narinfo.Parse([]byte(text))
	if err != nil || info.Key() == "" || !strings.Contains(public, info.Key()) {
		t.Errorf("guix publish: got %v and\n%s\nwant it signed by %s", err, text, public)
	}

	// With another key the customer takes nothing, until it is authorized.
	if r := f.tbfg("secrets", "rotate", "signing.key"); r.status != 0 {
		t.Fatalf("secrets rotate: %+v", r)
	}
	drv := h.add(toy.Recipe{Name: "later", Script: `echo later >"$out"`})
	build := f.submit(drv)
	f.waitState(daemon.Succeeded, build...)
	if err := customer.take(drv.Out()); err == nil {
		t.Error("an item with the signature of an unknown key was taken")
	}
	f.authorize(customer)
	if err := customer.take(drv.Out()); err != nil {
		t.Errorf("with the new key: %v", err)
	}

	// What is kept no more is not served.
	if err := os.RemoveAll(h.Path(stateDir + "/builds/" + build[0])); err != nil {
		t.Fatal(err)
	}
	if text := narinfoAt(t, f.frontURL, drv.Out()); text != "" {
		t.Errorf("got %q for what is gone", text)
	}
}

// A farm whose clients' port is open to all needs no more configuration, and
// commands on its machine find the token.
func TestCommandsFindTheClientToken(t *testing.T) {
	t.Parallel()
	address := ""
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			address = n.IP.String()
		}
	}
	if address == "" {
		t.Skip("this machine has no address but loopback")
	}
	h := newHost(t)
	f := newFarm(h, coordinatorOnly, func(conf *config.Config) {
		_, port, _ := net.SplitHostPort(conf.Coordinator.ClientListen[0])
		conf.Coordinator.ClientListen = []string{"0.0.0.0:" + port}
	})
	f.clientURL = strings.Replace(f.clientURL, "127.0.0.1", address, 1)
	for range 2 {
		if r := f.tbfg("agent", "list"); r.status != 0 {
			t.Errorf("got %+v, want that the token is found", r)
		}
		if r := f.tbfg("secrets", "rotate", "client.token"); r.status != 0 {
			t.Errorf("secrets rotate: got %+v", r)
		}
	}
	if r := newHost(t).command([]string{"TBFG_COORDINATOR=" + f.clientURL}, "tbfg", "agent", "list"); r.status != 1 || !strings.Contains(r.err, "this needs the farm's client token") {
		t.Errorf("on another machine: got %+v", r)
	}
}
