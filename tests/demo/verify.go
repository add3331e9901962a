package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// verify compares what the farm says with what must be, and both with what
// is in the store.
func verify(ctx context.Context, f *farm, p *place, drvs map[string]*toy.Drv, results map[string]result) error {
	errs := compare(team, results)
	for _, one := range team {
		r, out := results[one.name], drvs[one.name].Out()
		valid, err := p.conn.QueryValidPaths(ctx, []storepath.Path{out})
		if err != nil {
			return err
		}
		if built := len(valid) == 1; built != (r.state == daemon.Succeeded) {
			errs = append(errs, fmt.Errorf("%s: the farm says %s, but that its output %s is in the store is %v", one.name, r.state, out, built))
		}
		if r.state != daemon.Failed || one.fate == nil {
			continue
		}
		log, err := f.log(ctx, r.uuid)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: its log: %w", one.name, err))
		} else if !strings.Contains(log+r.reason, one.fate.evidence) {
			errs = append(errs, fmt.Errorf("%s: neither the log nor the reason of the failure, %q, has %q", one.name, r.reason, one.fate.evidence))
		}
	}
	return errors.Join(errs...)
}

// compare compares what the farm says with what is foreseen.
func compare(packages []pkg, results map[string]result) (errs []error) {
	want := foresee(packages)
	for _, p := range packages {
		got, found := results[p.name]
		switch w := want[p.name]; {
		case !found:
			errs = append(errs, fmt.Errorf("%s: the farm has no build of it", p.name))
		case got.state != w.state || !slices.Equal(got.by, w.by):
			errs = append(errs, fmt.Errorf("%s: got %s, want %s", p.name, got.outcome, w))
		}
	}
	return errs
}

func (o outcome) String() string {
	if len(o.by) == 0 {
		return string(o.state)
	}
	return fmt.Sprintf("%s by %s", o.state, strings.Join(o.by, ", "))
}

func (f *farm) logURL(uuid string) string { return "http://" + f.logs + "/build/" + uuid + "/log" }

// log gets a log as a browser does.
func (f *farm) log(ctx context.Context, uuid string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.logURL(uuid), nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return string(text), err
}
