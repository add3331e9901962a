package collection

import (
	"context"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/dataservice"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// fromService asks a Guix Data Service for the derivations of a collection. It
// lists derivations by their file names alone: which package one is of follows
// from name and version in there.
func fromService(ctx context.Context, client *dataservice.Client, c *daemon.Collection) (revision string, found []Found, err error) {
	chosen, err := choiceOf(c)
	if err != nil {
		return "", nil, err
	}
	if revision, err = serviceRevision(ctx, client, c); err != nil {
		return "", nil, err
	}
	packages, err := client.Packages(ctx, revision)
	if err != nil {
		return "", nil, err
	}
	located := false
	wanted := make(map[string]dataservice.Package) // by name and version, as in file names
	for _, p := range packages {
		located = located || p.Location.File != ""
		if chosen.has(p.Name, p.Version, p.Location.File) {
			wanted[p.Name+"-"+p.Version] = p
		}
	}
	if chosen.byFile() && len(packages) > 0 && !located {
		return "", nil, daemon.Errorf(daemon.Invalid, "the data service at %s does not say where packages are defined: "+
			"choose them by name instead of module or team", client.Base)
	}
	for _, system := range c.Systems {
		for _, target := range append([]string{""}, c.Targets...) {
			err := client.Derivations(ctx, revision, system, target, func(d dataservice.Derivation) error {
				path, err := storepath.DefaultDir.Parse(d.Derivation)
				if err != nil || !path.IsDerivation() {
					return daemon.Errorf(daemon.Invalid, "the data service at %s has a derivation %.200q, which is none", client.Base, d.Derivation)
				}
				p, ok := wanted[strings.TrimSuffix(path.Name(), ".drv")]
				if ok {
					found = append(found, Found{Name: p.Name, Version: p.Version, System: system, Target: target, Derivation: d.Derivation})
				}
				return nil
			})
			if err != nil {
				return "", nil, err
			}
		}
	}
	if len(found) == 0 {
		return "", nil, daemon.Errorf(daemon.Invalid, "the data service at %s has none of the packages of collection %s in revision %s",
			client.Base, c.Name, revision)
	}
	return revision, found, nil
}

func serviceRevision(ctx context.Context, client *dataservice.Client, c *daemon.Collection) (string, error) {
	if c.Revision != "" {
		return client.Revision(ctx, c.Revision)
	}
	repository, err := client.Repository(ctx, c.Repository)
	if err != nil {
		return "", err
	}
	branch := c.Branch
	if branch == "" {
		branch = "master"
	}
	return client.Latest(ctx, repository, branch)
}
