package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/shepherd"

	"github.com/urfave/cli/v2"
)

// logFlags are the options of the long-running commands about their log.
func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log-level", Usage: "`LEVEL` of what is logged: debug, info, warn or error", DefaultText: "info"},
		&cli.BoolFlag{Name: "timestamp-log-output", Value: true, Usage: "begin log lines with the time"},
	}
}

// logLevel is what is logged; it can be changed while the process runs.
var logLevel slog.LevelVar

// setLogLevel takes a level from a configuration, which has been validated.
func setLogLevel(level string) { _ = logLevel.UnmarshalText([]byte(level)) }

// newLogger is the process's logger; it becomes the default one as well.
func newLogger(c *cli.Context, level string) *slog.Logger {
	setLogLevel(level)
	log := slog.New(shepherd.NewLogHandler(os.Stderr, &logLevel, c.Bool("timestamp-log-output")))
	slog.SetDefault(log)
	return log
}

// systemConfig is the configuration file that is used when none is named.
const systemConfig = "/etc/tbfg/config.toml"

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "configuration `FILE`", DefaultText: systemConfig + ", if it is there"}
}

// defaultStateDir is where the farm lives if nothing else is said.
const defaultStateDir = "/var/lib/tbfg"

// configFile is the configuration file that the options name, or the system's;
// empty if there is none.
func configFile(c *cli.Context) string {
	if file := c.String("config"); file != "" {
		return file
	}
	if _, err := os.Stat(systemConfig); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return systemConfig
}

// loadConfig reads this file, and applies the options that every command with
// a configuration has.
func loadConfig(c *cli.Context) (config.Config, error) { return loadConfigFile(c, configFile(c)) }

func loadConfigFile(c *cli.Context, file string) (config.Config, error) {
	conf := config.Default(defaultStateDir)
	if file != "" {
		var err error
		if conf, err = config.Load(file, defaultStateDir); err != nil {
			return conf, err
		}
	}
	if level := c.String("log-level"); level != "" {
		conf.LogLevel = level
	}
	if dir := c.String("state-dir"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return conf, fmt.Errorf("find the state directory: %w", err)
		}
		conf.StateDir = abs
	}
	return conf, conf.Validate()
}

func splitURLs(s string) []string { return strings.Fields(s) }
