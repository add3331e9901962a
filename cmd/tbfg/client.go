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
	"syscall"

	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

// server is something of the farm that commands ask.
type server struct {
	what, flag, env string
	usage, url      string // of the option that says where it is
}

var (
	coordinatorServer = server{"coordinator", "coordinator", "TBFG_COORDINATOR", "`URL` of the coordinator's API for clients", "http://127.0.0.1:8746"}
	frontServer       = server{"log endpoint", "front", "TBFG_FRONT", "`URL` of the log endpoint", "http://127.0.0.1:8747"}
)

// option says where commands find the server.
func (s server) option() cli.Flag {
	return &cli.StringFlag{Name: s.flag, Usage: s.usage, EnvVars: []string{s.env}, Value: s.url}
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
		target := c.String(s.flag)
		if u, err := url.Parse(target); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return usagef("--%s or %s must be a URL such as %s, not %q", s.flag, s.env, s.url, target)
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

func client(c *cli.Context) *clientapi.Client { return clientapi.NewClient(c.String("coordinator")) }

func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}
