package main

import (
	"fmt"
	"strconv"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

func tokenCommand() *cli.Command {
	return &cli.Command{
		Name:  "token",
		Usage: "make tokens with which agents enrol by themselves",
		Description: `Whoever has a token can run an agent under a name of its own:

   tbfg token new --description=cloud --expires-in=24h
   tbfg agent run --name=NAME --dynamic-auth-token-file=FILE`,
		Subcommands: []*cli.Command{
			{Name: "new", Usage: "make a token and print it; it cannot be shown again", Flags: tokenFlags(), Action: tokenNew},
			{Name: "list", Usage: "list the tokens, without what they are", Flags: []cli.Flag{coordinatorFlag(), jsonFlag()}, Action: tokenList},
			{Name: "revoke", Usage: "make a token useless; agents that enrolled with it stay", ArgsUsage: "NUMBER",
				Flags: []cli.Flag{coordinatorFlag()}, Action: tokenRevoke},
		},
	}
}

// dynamicAuthCommand is what upstream calls it.
func dynamicAuthCommand() *cli.Command {
	return &cli.Command{
		Name:  "dynamic-auth",
		Usage: "make tokens with which agents enrol by themselves",
		Subcommands: []*cli.Command{
			{Name: "create-token", Usage: "make a token and print it; it cannot be shown again", Flags: tokenFlags(), Action: tokenNew}},
	}
}

func tokenFlags() []cli.Flag {
	return []cli.Flag{coordinatorFlag(),
		&cli.StringFlag{Name: "description", Usage: "`TEXT`, what it is for"},
		&cli.DurationFlag{Name: "expires-in", Usage: "it is useless after a `TIME` such as 90m or 24h", DefaultText: "never"}}
}

func tokenNew(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	lives := c.Duration("expires-in")
	if c.IsSet("expires-in") && lives <= 0 {
		return usagef("--expires-in must be more than nothing")
	}
	token, err := client(c).NewToken(c.Context, wire.NewTokenRequest{Description: c.String("description"), ExpiresIn: lives.Seconds()})
	if err != nil {
		return fmt.Errorf("cannot make a token: %w", err)
	}
	fmt.Fprintln(c.App.Writer, token)
	return nil
}

func tokenList(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	tokens, err := client(c).Tokens(c.Context)
	if err != nil {
		return fmt.Errorf("cannot list the tokens: %w", err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, tokens)
	}
	for _, t := range tokens {
		expires := "never expires"
		if !t.Expires.IsZero() {
			expires = "expires " + t.Expires.Format(time.DateTime)
		}
		fmt.Fprintf(c.App.Writer, "%d  made %s  %s  %s\n", t.ID, stamp(t.Created), expires, t.Description)
	}
	return nil
}

func tokenRevoke(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	id, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return usagef("a token is named by its number in \"token list\", not by %q", clip(args[0], 10))
	}
	if err := client(c).RevokeToken(c.Context, id); err != nil {
		return fmt.Errorf("cannot revoke the token: %w", err)
	}
	return nil
}
