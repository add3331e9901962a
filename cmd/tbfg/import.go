package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/durable"
	"codeberg.org/tbfg/tbfg/daemon/gbcimport"

	"github.com/urfave/cli/v2"
)

func importCommand() *cli.Command {
	return &cli.Command{
		Name:  "import",
		Usage: "take over what another build farm knows",
		Subcommands: []*cli.Command{{
			Name:      "gbc",
			Usage:     "import a database of the Guix Build Coordinator",
			ArgsUsage: "FILE",
			Description: `Imports agents with their passwords and tags, and builds with their
derivations, tags and results; with --build-logs also the builds' logs. FILE
and the logs are only read and may be in use; this farm must not run. What is
here already stays as it is, so that one can import again. What makes no
sense is left out and counted. Run this as the user that the farm runs as,
first with --dry-run.`,
			Flags: []cli.Flag{configFlag(),
				&cli.StringFlag{Name: "state-dir", Usage: "`DIRECTORY` in the place of the configuration's state_dir"},
				&cli.StringFlag{Name: "build-logs", Usage: "`DIRECTORY` with the builds' logs, such as " + upstreamStateDir + "/build-logs"},
				&cli.BoolFlag{Name: "dry-run", Usage: "report what would be imported, and import nothing"}},
			Action: importGBC,
		}},
	}
}

func importGBC(c *cli.Context) (err error) {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	conf, err := loadConfig(c)
	if err != nil {
		return err
	}
	source, err := gbcimport.Open(c.Context, args[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	store, done, err := importInto(c.Context, databaseOf(conf), c.Bool("dry-run"))
	if err != nil {
		return err
	}
	report, err := source.Import(c.Context, store, time.Now(), c.Bool("dry-run"))
	if err == nil && c.IsSet("build-logs") {
		err = report.ImportLogs(c.Context, c.String("build-logs"), filepath.Join(conf.StateDir, "build-logs"), conf.Coordinator.MaxLogSize)
	}
	if err := errors.Join(err, done()); err != nil {
		return err
	}
	report.Print(c.App.Writer)
	return nil
}

// importInto opens the database to import into. If there is none, a dry run
// gets one that done throws away.
func importInto(ctx context.Context, file string, dryRun bool) (store *datastore.Store, done func() error, err error) {
	clean := func() error { return nil }
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && dryRun {
		dir, err := os.MkdirTemp("", "tbfg-import-")
		if err != nil {
			return nil, nil, fmt.Errorf("make a database for the dry run: %w", err)
		}
		clean = func() error { return os.RemoveAll(dir) }
		file = filepath.Join(dir, "tbfg.db")
	} else if err := durable.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, nil, fmt.Errorf("make the state directory: %w", err)
	}
	if store, err = datastore.Open(ctx, file); err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	return store, func() error { return errors.Join(store.Close(), clean()) }, nil
}
