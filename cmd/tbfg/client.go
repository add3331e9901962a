package main

import (
	"encoding/json"
	"fmt"
	"io"

	"codeberg.org/tbfg/tbfg/daemon/clientapi"

	"github.com/urfave/cli/v2"
)

// coordinatorFlag says where commands find the coordinator.
func coordinatorFlag() cli.Flag {
	return &cli.StringFlag{
		Name:    "coordinator",
		Usage:   "`URL` of the coordinator's API for clients",
		EnvVars: []string{"TBFG_COORDINATOR"},
		Value:   "http://127.0.0.1:8746",
	}
}

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
