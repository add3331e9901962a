package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/collection"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

func collectionCommand() *cli.Command {
	return &cli.Command{
		Name:  "collection",
		Usage: "say of which packages the farm is to give an account",
		Description: `A collection is a set of packages: its derivations come from the guix of
the coordinator's machine, from a Guix Data Service or from a file. An update
computes them and submits builds of what is new; "tbfg report" tells what
builds.

   tbfg collection add --team=science --schedule=6h \
       --data-service=https://data.guix.gnu.org science
   tbfg collection add --load-path=/srv/ours --module=our/packages.scm ours
   tbfg collection update ours
   tbfg report ours`,
		Subcommands: []*cli.Command{
			{Name: "add", Usage: "add a collection, or change the one of that name", ArgsUsage: "NAME", Flags: collectionFlags(), Action: collectionAdd,
				Description: `Without --data-service or --file guix computes the derivations, on the
machine of the coordinator; file names are those of that machine.`},
			{Name: "list", Usage: "list the collections", Flags: []cli.Flag{coordinatorFlag(), jsonFlag()}, Action: collectionList},
			{Name: "show", Usage: "show how a collection is set up and how its last update went", ArgsUsage: "NAME",
				Flags: []cli.Flag{coordinatorFlag(), jsonFlag()}, Action: collectionShow},
			{Name: "update", Usage: "compute the derivations of a collection and submit builds of what is new", ArgsUsage: "NAME",
				Flags: []cli.Flag{coordinatorFlag(), jsonFlag(), &cli.BoolFlag{Name: "dry-run", Usage: "only say what would be submitted"}},
				Description: `Builds that were submitted for derivations which the collection does not
have any more are canceled, unless they have started. An update that runs
goes on when this command is interrupted.`, Action: collectionUpdate},
			{Name: "remove", Usage: "forget a collection and its history; its builds stay", ArgsUsage: "NAME",
				Flags: []cli.Flag{coordinatorFlag()}, Action: collectionRemove},
		},
	}
}

func collectionFlags() []cli.Flag {
	return []cli.Flag{coordinatorFlag(),
		&cli.StringSliceFlag{Name: "package", Usage: "`NAME` of a package, or a pattern such as 'python-*'"},
		&cli.StringSliceFlag{Name: "module", Usage: "all packages of a `MODULE`, such as gnu/packages/maths.scm"},
		&cli.StringFlag{Name: "team", Usage: "all packages in the scope of a Guix `TEAM`, such as science"},
		&cli.StringSliceFlag{Name: "manifest", Usage: "the packages of a manifest in `FILE`"},
		&cli.StringSliceFlag{Name: "load-path", Aliases: []string{"L"}, Usage: "`DIRECTORY` with package modules"},
		&cli.StringFlag{Name: "channels", Aliases: []string{"C"}, Usage: "use the channels in `FILE`, by guix time-machine"},
		&cli.StringFlag{Name: "guix", Usage: "run `PROGRAM`", DefaultText: "guix"},
		&cli.StringFlag{Name: "data-service", Usage: "`URL` of a Guix Data Service to ask instead"},
		&cli.StringFlag{Name: "repository", Usage: "its `REPOSITORY`, by number, label or URL", DefaultText: "the first"},
		&cli.StringFlag{Name: "branch", Usage: "`BRANCH` of it", DefaultText: "master"},
		&cli.StringFlag{Name: "revision", Usage: "always `COMMIT`", DefaultText: "the latest that was processed"},
		&cli.StringFlag{Name: "file", Usage: "take the derivations in `FILE`, one a line, instead"},
		&cli.StringSliceFlag{Name: "system", Usage: "build for `SYSTEM`", DefaultText: "the coordinator's"},
		&cli.StringSliceFlag{Name: "target", Usage: "cross-compile for `TRIPLET` besides"},
		&cli.Int64Flag{Name: "priority", Usage: "`NUMBER`, priority of its builds", DefaultText: fmt.Sprint(daemon.CollectionPriority)},
		&cli.BoolFlag{Name: "with-inputs", Usage: "submit builds of the inputs that have none, too"},
		&cli.StringFlag{Name: "schedule", Usage: "update at `TIMES`: \"6h\" for every six hours, \"04:30\" or \"mon,thu 04:30\" in UTC", DefaultText: "by hand"},
	}
}

func collectionAdd(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	spec := daemon.Collection{Name: args[0], Source: daemon.FromGuix,
		URL: c.String("data-service"), Repository: c.String("repository"), Branch: c.String("branch"), Revision: c.String("revision"),
		Guix: c.String("guix"), Channels: absolute(c.String("channels")), File: absolute(c.String("file")),
		Packages: c.StringSlice("package"), Modules: c.StringSlice("module"), Team: c.String("team"),
		Systems: c.StringSlice("system"), Targets: c.StringSlice("target"),
		Priority: c.Int64("priority"), WithInputs: c.Bool("with-inputs"), Schedule: c.String("schedule")}
	for _, file := range c.StringSlice("manifest") {
		spec.Manifests = append(spec.Manifests, absolute(file))
	}
	for _, dir := range c.StringSlice("load-path") {
		spec.LoadPath = append(spec.LoadPath, absolute(dir))
	}
	switch {
	case spec.URL != "":
		spec.Source = daemon.FromDataService
	case spec.File != "":
		spec.Source = daemon.FromFile
	}
	if err := spec.Check(); err != nil {
		return usagef("%v", err)
	}
	if err := client(c).PutCollection(c.Context, spec); err != nil {
		return fmt.Errorf("cannot set up the collection: %w", err)
	}
	fmt.Fprintf(c.App.Writer, "collection %s set up\n", spec.Name)
	return nil
}

// absolute is a file name that does not depend on where one is.
func absolute(file string) string {
	if abs, err := filepath.Abs(file); file != "" && err == nil {
		return abs
	}
	return file
}

func collectionList(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	list, err := client(c).Collections(c.Context)
	if err != nil {
		return fmt.Errorf("cannot list the collections: %w", err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, list)
	}
	for _, one := range list {
		fmt.Fprintf(c.App.Writer, "%-20s  %-12s  %s\n", one.Name, one.Source, howItIs(one))
	}
	return nil
}

// howItIs says in a line how the updates of a collection went.
func howItIs(one wire.Collection) string {
	words := "not updated yet"
	if !one.Updated.IsZero() {
		words = "updated " + stamp(one.Updated)
	}
	if one.Trouble != "" {
		words += ", last update failed"
	}
	if one.Updating {
		words += ", updating"
	}
	return words
}

func collectionShow(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	one, err := client(c).Collection(c.Context, args[0])
	if err != nil {
		return fmt.Errorf("cannot show the collection: %w", err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, one)
	}
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(c.App.Writer, "%-14s%s\n", name, value)
		}
	}
	field("name", one.Name)
	field("source", one.Source)
	for _, f := range []struct {
		name   string
		values []string
	}{
		{"data service", []string{one.URL}}, {"repository", []string{one.Repository}}, {"branch", []string{one.Branch}}, {"commit", []string{one.Collection.Revision}},
		{"guix", []string{one.Guix}}, {"channels", []string{one.Channels}}, {"load path", one.LoadPath}, {"manifests", one.Manifests},
		{"file", []string{one.File}}, {"packages", one.Packages}, {"modules", one.Modules}, {"team", []string{one.Team}},
		{"systems", one.Systems}, {"targets", one.Targets}, {"schedule", []string{one.Schedule}},
	} {
		field(f.name, strings.Join(f.values, " "))
	}
	field("priority", fmt.Sprint(one.BuildPriority()))
	if one.WithInputs {
		field("inputs", "are built too")
	}
	if one.Declared {
		field("declared", "in the configuration file")
	}
	field("updates", howItIs(one))
	if one.Evaluation > 0 {
		field("evaluation", fmt.Sprintf("%d, of revision %s", one.Evaluation, one.Evaluated))
	}
	field("trouble", strings.ReplaceAll(one.Trouble, "\n", "\n              "))
	return nil
}

func collectionUpdate(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	var o collection.Outcome
	if err := client(c).UpdateCollection(c.Context, args[0], c.Bool("dry-run"), &o); err != nil {
		return fmt.Errorf("cannot update the collection: %w", err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, o)
	}
	w := c.App.Writer
	fmt.Fprintf(w, "revision %s: %d packages, %d of them changed\n", o.Revision, o.Packages, o.Changed)
	if o.Errors > 0 {
		fmt.Fprintf(w, "%d have no derivation\n", o.Errors)
	}
	if o.DryRun {
		fmt.Fprintf(w, "builds would be submitted, where there are none, of %d derivations:\n", len(o.New))
		for _, drv := range o.New {
			fmt.Fprintln(w, "  "+drv)
		}
		return nil
	}
	fmt.Fprintf(w, "%d builds submitted", o.Submitted)
	if o.Inputs > 0 {
		fmt.Fprintf(w, ", and %d of inputs", o.Inputs)
	}
	if o.Canceled > 0 {
		fmt.Fprintf(w, "; %d canceled that became pointless", o.Canceled)
	}
	fmt.Fprintln(w)
	return nil
}

func collectionRemove(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	if err := client(c).RemoveCollection(c.Context, args[0]); err != nil {
		return fmt.Errorf("cannot remove the collection: %w", err)
	}
	return nil
}
