package main

import (
	"fmt"
	"net/url"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

// filterFlags are the options that choose builds by what they are, not by what
// became of them.
func filterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "system", Usage: "only those for `SYSTEM`, or for one of several; may be repeated"},
		&cli.StringSliceFlag{Name: "not-system", Usage: "only those that are not for `SYSTEM`; may be repeated"},
		&cli.StringSliceFlag{Name: "tag", Usage: "only those tagged `KEY=VALUE`, or KEY with any value; may be repeated"},
		&cli.StringSliceFlag{Name: "not-tag", Usage: "only those not tagged `KEY=VALUE`, or KEY with any value; may be repeated"},
		&cli.Int64Flag{Name: "priority-above", Usage: "only those with a priority above `NUMBER`"},
		&cli.Int64Flag{Name: "priority-below", Usage: "only those with a priority below `NUMBER`"},
		&cli.StringFlag{Name: "created-after", Usage: "only those submitted after `TIME`, in UTC, such as \"2026-01-31 20:00:00\""},
		&cli.StringFlag{Name: "created-before", Usage: "only those submitted before `TIME`"},
	}
}

// filterOf is what these options choose. The empty filter chooses all builds.
func filterOf(c *cli.Context) (f wire.CancelBuilds, err error) {
	f.Systems, f.NotSystems = c.StringSlice("system"), c.StringSlice("not-system")
	f.Tags, f.NotTags = tagFilters(c.StringSlice("tag")), tagFilters(c.StringSlice("not-tag"))
	for flag, field := range map[string]**int64{"priority-above": &f.PriorityAbove, "priority-below": &f.PriorityBelow} {
		if c.IsSet(flag) {
			n := c.Int64(flag)
			*field = &n
		}
	}
	for flag, field := range map[string]*wire.Time{"created-after": &f.CreatedAfter, "created-before": &f.CreatedBefore} {
		if text := c.String(flag); text != "" {
			if field.Time, err = wire.ParseTime(text); err != nil {
				return f, usagef("--%s: %v", flag, err)
			}
		}
	}
	return f, nil
}

// filterQuery is the same for the list of builds.
func filterQuery(c *cli.Context) (url.Values, error) {
	f, err := filterOf(c)
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	for parameter, values := range map[string][]string{"system": f.Systems, "not_system": f.NotSystems, "tag": f.Tags, "not_tag": f.NotTags} {
		if len(values) > 0 {
			query[parameter] = values
		}
	}
	for parameter, n := range map[string]*int64{"priority_gt": f.PriorityAbove, "priority_lt": f.PriorityBelow} {
		if n != nil {
			query.Set(parameter, fmt.Sprint(*n))
		}
	}
	for parameter, t := range map[string]wire.Time{"created_after": f.CreatedAfter, "created_before": f.CreatedBefore} {
		if !t.IsZero() {
			query.Set(parameter, stamp(t))
		}
	}
	return query, nil
}

// tagFilters turns KEY=VALUE into what the API wants.
func tagFilters(texts []string) []string {
	var filters []string
	for _, text := range texts {
		filters = append(filters, strings.Replace(text, "=", ":", 1))
	}
	return filters
}
