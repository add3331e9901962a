package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// certify writes a certificate for 127.0.0.1, which certifies itself, and its
// key, by renaming as certificate programs do.
func certify(t *testing.T, file, key string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "farm"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name  string
		block pem.Block
	}{{key, pem.Block{Type: "PRIVATE KEY", Bytes: secret}}, {file, pem.Block{Type: "CERTIFICATE", Bytes: der}}} {
		var text bytes.Buffer
		if err := pem.Encode(&text, &f.block); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.name+".new", text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(f.name+".new", f.name); err != nil {
			t.Fatal(err)
		}
	}
}

// shown is the serial number of the certificate that a server shows.
func shown(t *testing.T, address string) (*tls.Conn, int64) {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) // looked at only
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestAgentsConnectByHTTPS(t *testing.T) {
	dir := t.TempDir()
	file, key := filepath.Join(dir, "farm.pem"), filepath.Join(dir, "farm.key")
	certify(t, file, key, 1)
	farm := &served{dir: dir, pidFile: filepath.Join(dir, "pid")}
	conf := filepath.Join(dir, "config.toml")
	text := strings.Replace(freePorts, "[coordinator]\n", "[coordinator]\nagent_certificate = \""+file+"\"\nagent_certificate_key = \""+key+"\"\n", 1)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	farm.process = start(t, nil, "tbfg", "serve", "--config="+conf, "--state-dir="+dir, "--pid-file="+farm.pidFile, "--local-agent")
	farm.ready(farm.pidFile)
	farm.client = farm.address("client")
	address := strings.TrimPrefix(farm.address("agent"), "http://")
	farm.localAgent() // which no certificate is in the way of

	env := []string{"TBFG_COORDINATOR=" + farm.client}
	id := strings.TrimSpace(run(t, "", env, "tbfg", "agent", "new").stdout)
	password := strings.TrimPrefix(run(t, "", env, "tbfg", "agent", id, "password", "new").stdout, "new password: ")
	passwordFile := filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	options := []string{"tbfg", "agent", "run", "--config=/dev/null", "--coordinator=https://" + address, "--uuid=" + id, "--password-file=" + passwordFile}
	stranger := start(t, nil, options...)
	stranger.says("certificate signed by unknown authority")
	if err := os.WriteFile(passwordFile, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := start(t, nil, append(options, "--ca-file="+file)...)
	agent.says("starting 0 new builds")

	old, serial := shown(t, address)
	if serial != 1 {
		t.Errorf("got the certificate %d, want 1", serial)
	}
	certify(t, file, key, 2)
	farm.says("agents are shown a new certificate")
	if _, serial := shown(t, address); serial != 2 {
		t.Errorf("got the certificate %d, want the new one, 2", serial)
	}
	// The old connection goes on.
	client := &http.Client{Transport: &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return old, nil }}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v; want the old connection to go on", resp, err)
	}
	resp.Body.Close()

	// A certificate that does not fit its key changes nothing.
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	farm.says("going on with the certificate there was")
	if _, serial := shown(t, address); serial != 2 {
		t.Errorf("got the certificate %d, want 2 as before", serial)
	}
	for _, p := range []*process{stranger, agent, farm.process} {
		if status := p.stop(syscall.SIGTERM); status != 0 {
			t.Errorf("got the status %d, want 0", status)
		}
	}
}

func TestACertificateThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "config.toml")
	text := strings.Replace(freePorts, "[coordinator]\n", "[coordinator]\nagent_certificate = \"/nowhere/farm.pem\"\nagent_certificate_key = \"/nowhere/farm.key\"\n", 1)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := run(t, "", nil, "tbfg", "serve", "--config="+conf, "--state-dir="+dir); r.status != 1 || !strings.Contains(r.stderr, "/nowhere/farm.pem") {
		t.Errorf("got %+v, want that it says which file", r)
	}
}
