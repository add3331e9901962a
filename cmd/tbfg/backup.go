package main

import (
	"path/filepath"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/datastore"

	"github.com/urfave/cli/v2"
)

func backupCommand() *cli.Command {
	return &cli.Command{
		Name:      "backup",
		Usage:     "copy the farm's database into a new file",
		ArgsUsage: "FILE",
		Description: `The farm may be running. The copy is the database as it is at one moment; put
it in the database's place to go back to it while the farm does not run.
Build logs and secrets are not in it. Run this as the user that the farm runs
as.`,
		Flags: []cli.Flag{configFlag(),
			&cli.StringFlag{Name: "state-dir", Usage: "`DIRECTORY` in the place of the configuration's state_dir"}},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1)
			if err != nil {
				return err
			}
			conf, err := loadConfig(c)
			if err != nil {
				return err
			}
			return datastore.Backup(c.Context, databaseOf(conf), args[0])
		},
	}
}

// databaseOf is where the farm's database is.
func databaseOf(conf config.Config) string {
	if conf.Coordinator.Database != "" {
		return conf.Coordinator.Database
	}
	return filepath.Join(conf.StateDir, "tbfg.db")
}
