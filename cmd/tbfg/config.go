package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func configCommand() *cli.Command {
	flags := []cli.Flag{configFlag(), &cli.StringFlag{Name: "state-dir", Usage: "`DIRECTORY` in the place of the configuration's state_dir"}}
	return &cli.Command{
		Name:  "config",
		Usage: "show or check the configuration",
		Subcommands: []*cli.Command{
			{Name: "show", Usage: "print the configuration in effect, every key with its meaning", Flags: flags, Action: configShow},
			{Name: "check", Usage: "check the configuration file", Flags: flags, Action: configCheck},
		},
	}
}

func configShow(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	conf, err := loadConfig(c)
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
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	if _, err := loadConfig(c); err != nil {
		return err
	}
	fmt.Fprintln(c.App.Writer, "the configuration is valid")
	return nil
}
