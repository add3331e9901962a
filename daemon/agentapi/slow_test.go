package agentapi_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// half sends a request without the end of its body, and returns what sends
// the rest and reads the status.
func (f *farm) half(method, path, body string) (finish func() int) {
	f.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	f.Must(err)
	f.t.Cleanup(func() { conn.Close() })
	auth := base64.StdEncoding.EncodeToString([]byte(f.agent + ":" + f.password))
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: farm\r\nAuthorization: basic %s\r\nContent-Length: %d\r\n\r\n%s",
		method, path, auth, len(body), body[:len(body)/2])
	f.Must(err)
	return func() int {
		_, err := fmt.Fprint(conn, body[len(body)/2:])
		f.Must(err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		f.Must(err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
}

func TestSlowBodiesDoNotBlockOthers(t *testing.T) {
	f := open(t)
	var finish []func() int
	for range 20 {
		finish = append(finish,
			f.half("PUT", "/build/"+f.build+"/log/none", strings.Repeat("slow ", 1000)),
			f.half("POST", "/build/"+f.build+"/report-build-start", "{}"),
			f.half("PUT", "/agent/"+f.agent, `{"status":"running"}`))
	}
	if status, body := f.request("GET", "/agent/"+f.agent, ""); status != http.StatusOK {
		t.Errorf("a question meanwhile: got %d %s, want 200", status, body)
	}
	if status, body := f.request("POST", "/build/"+f.build+"/report-build-start", ""); status != http.StatusOK {
		t.Errorf("a change meanwhile: got %d %s, want 200", status, body)
	}
	for i, finish := range finish {
		if status := finish(); status != http.StatusOK {
			t.Errorf("slow request %d: got the status %d, want 200", i, status)
		}
	}
}

func TestABodyThatEndsEarlyChangesNothing(t *testing.T) {
	f := open(t)
	before := f.Dump()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	f.Must(err)
	defer conn.Close()
	auth := base64.StdEncoding.EncodeToString([]byte(f.agent + ":" + f.password))
	_, err = fmt.Fprintf(conn, "PUT /build/%s HTTP/1.1\r\nHost: farm\r\nAuthorization: basic %s\r\nContent-Length: 1000\r\n\r\n%s",
		f.build, auth, `{"result":"failure"}`)
	f.Must(err)
	f.Must(conn.(*net.TCPConn).CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	f.Must(err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("got the status %d, want 400", resp.StatusCode)
	}
	if f.Dump() != before {
		t.Errorf("the database changed")
	}
}

func TestChunkedBodiesAreRead(t *testing.T) {
	f := open(t)
	status, body := f.request("PUT", "/agent/"+f.agent, `{"status":"running"}`, func(r *http.Request) { r.ContentLength = -1 })
	if status != http.StatusOK {
		t.Errorf("got %d %s, want 200", status, body)
	}
	if a, err := f.Agent(t.Context(), f.agent); err != nil || a.Status == nil || a.Status.Status != "running" {
		t.Errorf("got %+v, %v; want the status", a.Status, err)
	}
}
