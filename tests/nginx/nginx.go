// Package nginx runs a real nginx with the configuration of the post "Tiny
// Build Farm for Guix", for tests and benchmarks to compare with.
package nginx

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Post is the server of the post, in nginx's words, which are the post's to
// the letter except for the places in capitals.
const Post = `server {
  listen PORT;
  listen [::]:PORT;
  location ~ "\/build\/([a-z0-9-]{36})/log$" {
    alias LOGS/$1/log;
    add_header Content-Type 'text/plain; charset=UTF-8';
    gzip_static always;
    gunzip on;
  }
  location / {
    proxy_pass http://BFFE;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
  }
  location /events {
    proxy_pass http://BFFE;
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_set_header Connection "";
  }
}
`

// Places are what stands for the capitals in a server.
type Places struct {
	Logs string // the directory build-logs
	BFFE string // host and port of the front end
}

// Server is an nginx that runs.
type Server struct {
	URL  string // http://localhost:PORT
	cmd  *exec.Cmd
	done chan struct{}
	said bytes.Buffer // until done
	dir  string
}

// Start runs nginx, with one server, on a free port until Stop. As many
// workers as there are processors serve it, as root if that is who we are: the
// directories of tests are closed to others.
func Start(ctx context.Context, server string, places Places) (*Server, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ { // the port is free until somebody takes it
		s, err := start(ctx, program, server, places)
		if err == nil || try == 3 || ctx.Err() != nil {
			return s, err
		}
	}
}

func find() (string, error) {
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if file, err := exec.LookPath(name); err == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("there is no nginx: tests/packages installs it")
}

func start(ctx context.Context, program, server string, places Places) (s *Server, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	s = &Server{URL: "http://localhost:" + port, done: make(chan struct{})}
	if s.dir, err = os.MkdirTemp("", "tbfg-nginx-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	server = strings.NewReplacer("PORT", port, "LOGS", places.Logs, "BFFE", places.BFFE).Replace(server)
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		server = strings.Replace(server, "  listen [::]:"+port+";\n", "", 1)
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root root;\n"
	}
	var temporary strings.Builder
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "%s_temp_path %s/%s;\n", name, s.dir, name)
	}
	conf := filepath.Join(s.dir, "nginx.conf")
	text := user + "daemon off;\npid " + s.dir + "/pid;\nerror_log stderr;\nworker_processes auto;\nevents {}\nhttp {\naccess_log off;\n" +
		temporary.String() + server + "}\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	s.cmd = exec.Command(program, "-e", "stderr", "-p", s.dir, "-c", conf)
	s.cmd.Stderr = &s.said
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	return s, s.ready(ctx)
}

func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.URL+"/build/none/log", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("nginx ended: %s", s.said.String())
		case <-ctx.Done():
			return fmt.Errorf("nginx does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends nginx, with its workers, and removes its files.
func (s *Server) Stop() error {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.done
	}
	return os.RemoveAll(s.dir)
}
