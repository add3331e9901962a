package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/urfave/cli/v2"
)

func buildLogCommand() *cli.Command {
	return &cli.Command{
		Name:      "log",
		Usage:     "print the log of a build",
		ArgsUsage: "UUID",
		Flags:     []cli.Flag{frontServer.option()},
		Action:    buildLog,
	}
}

func buildLog(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	target := strings.TrimRight(frontServer.target(c), "/") + "/build/" + url.PathEscape(args[0]) + "/log"
	req, err := http.NewRequestWithContext(c.Context, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("cannot get the log: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("cannot get the log: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return fmt.Errorf("no log: %s", strings.TrimSpace(string(text)))
	}
	if _, err := io.Copy(c.App.Writer, resp.Body); err != nil {
		return fmt.Errorf("cannot get the log: %w", err)
	}
	return nil
}
