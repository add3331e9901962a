package main

import (
	"fmt"

	"codeberg.org/tbfg/tbfg/config"

	"github.com/urfave/cli/v2"
)

func configCommand() *cli.Command {
	flags := []cli.Flag{configFlag(), &cli.StringFlag{Name: "state-dir", Usage: "`DIRECTORY` in the place of the configuration's state_dir"}}
	return &cli.Command{
		Name:  "config",
		Usage: "show or check the configuration",
		Subcommands: []*cli.Command{
			{Name: "show", Usage: "print the configuration in effect, every key with its meaning", ArgsUsage: "[FILE]", Flags: flags, Action: configShow},
			{Name: "check", Usage: "check the configuration file", ArgsUsage: "[FILE]", Flags: flags, Action: configCheck},
		},
	}
}

func configShow(c *cli.Context) error {
	conf, _, err := configArgument(c)
	if err != nil {
		return err
	}
	text, err := conf.TOML()
	if err != nil {
		return fmt.Errorf("print the configuration: %w", err)
	}
	_, err = c.App.Writer.Write(text)
	return err
}

func configCheck(c *cli.Context) error {
	_, file, err := configArgument(c)
	if err != nil {
		return err
	}
	if file == "" {
		fmt.Fprintf(c.App.Writer, "there is no %s; the defaults are valid\n", systemConfig)
		return nil
	}
	fmt.Fprintf(c.App.Writer, "%s: valid\n", file)
	return nil
}

// configArgument loads the file that an argument or --config names, and
// returns its name, which is empty if there is none.
func configArgument(c *cli.Context) (config.Config, string, error) {
	args, err := arguments(c, 0, 1)
	if err != nil {
		return config.Config{}, "", err
	}
	file := configFile(c)
	if len(args) == 1 {
		if c.IsSet("config") {
			return config.Config{}, "", usagef("name the file once, as an argument or with --config")
		}
		file = args[0]
	}
	conf, err := loadConfigFile(c, file)
	return conf, file, err
}
