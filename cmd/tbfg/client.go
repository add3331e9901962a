package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/doctor"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

// server is something of the farm that commands ask.
type server struct {
	what, flag, env string
	usage, url      string // of the option that says where it is
	socket          string // where it is looked for first if the option is not given; empty for nowhere

	// Where the farm of this machine has it, which is asked in the place of
	// url if the option is not given.
	listens func(config.Config) []string
}

var (
	coordinatorServer = server{"coordinator", "coordinator", "TBFG_COORDINATOR", "`URL` of the coordinator's API for clients", "http://127.0.0.1:8746",
		"/run/tbfg/client.socket", func(conf config.Config) []string { return conf.Coordinator.ClientListen }}
	frontServer = server{"log endpoint", "front", "TBFG_FRONT", "`URL` of the log endpoint", "http://127.0.0.1:8747",
		"", func(conf config.Config) []string { return conf.Front.Listen }}
)

// option says where commands find the server.
func (s server) option() cli.Flag {
	return &cli.StringFlag{Name: s.flag, Usage: s.usage, EnvVars: []string{s.env}, Value: s.url}
}

// target is where a command finds the server. A unix socket that may be used is
// preferred to a port that anybody may have opened.
func (s server) target(c *cli.Context) string {
	if c.IsSet(s.flag) {
		return c.String(s.flag)
	}
	if s.socket != "" && unix.Access(s.socket, unix.W_OK) == nil {
		return "unix:" + s.socket
	}
	if conf, err := loadConfig(c); err == nil && len(s.listens(conf)) > 0 {
		return "http://" + doctor.Here(s.listens(conf)[0])
	}
	return s.url
}

// askedBy tells whether a command has this option.
func (s server) askedBy(c *cli.Command) bool {
	return slices.ContainsFunc(c.Flags, func(f cli.Flag) bool {
		option, ok := f.(*cli.StringFlag)
		return ok && slices.Contains(option.EnvVars, s.env)
	})
}

// asking is an action that refuses URLs that make no sense, and says what to
// do if nobody is there.
func (s server) asking(action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		target := s.target(c)
		u, err := url.Parse(target)
		socket := err == nil && u.Scheme == "unix" && strings.HasPrefix(target, "unix:/") && s.socket != ""
		if err != nil || !socket && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return usagef("--%s or %s must be a URL such as %s, not %q", s.flag, s.env, s.url, target)
		}
		if s.socket != "" && !socket {
			token, err := tokenFor(c, u.Hostname())
			if err != nil {
				return err
			}
			if token != "" {
				c.Context = context.WithValue(c.Context, tokenKey{}, token)
			}
		}
		return s.explain(target, action(c))
	}
}

// explain replaces the error of a connection that did not come about.
func (s server) explain(target string, err error) error {
	var dial *net.OpError
	var answer *wire.StatusError
	if !errors.As(err, &dial) || dial.Op != "dial" || errors.As(err, &answer) || errors.Is(err, context.Canceled) {
		return err
	}
	why := ""
	if !errors.Is(err, syscall.ECONNREFUSED) {
		why = fmt.Sprintf(" (%v)", dial.Err)
	}
	return fmt.Errorf("no %s answers at %s%s: is \"tbfg serve\" running there? (--%s or %s names another)", s.what, target, why, s.flag, s.env)
}

func coordinatorFlag() cli.Flag { return coordinatorServer.option() }

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print JSON, one object or a list of them"}
}

// tokenFlag is an option of the commands that ask the coordinator.
func tokenFlag() cli.Flag {
	return &cli.StringFlag{Name: "token-file", EnvVars: []string{"TBFG_TOKEN_FILE"},
		Usage: "`FILE` with the client token that a coordinator on another machine wants"}
}

// tokenKey is for the token in the context of such a command.
type tokenKey struct{}

func client(c *cli.Context) *clientapi.Client {
	client := clientapi.NewClient(coordinatorServer.target(c))
	if token, shown := c.Context.Value(tokenKey{}).(string); shown {
		client.ShowToken(token)
	}
	return client
}

func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}
