package clientapi

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// parseFilter reads the query of GET /builds. A parameter that may be repeated
// must hold for each of its values, but for system, where one of them will do.
func parseFilter(query url.Values) (f coordinator.Filter, err error) {
	for key, values := range query {
		values = slices.DeleteFunc(values, func(v string) bool { return v == "" && key != "processed" && key != "canceled" && key != "tag" })
		if len(values) == 0 {
			continue // as upstream's relatives do
		}
		switch key {
		case "system":
			f.Systems = values
			continue
		case "not_system":
			f.NotSystems = values
			continue
		case "tag", "not_tag":
			tags, err := parseTags(values)
			if err != nil {
				return f, err
			}
			if key == "tag" {
				f.Tags = tags
			} else {
				f.NotTags = tags
			}
			continue
		}
		if len(values) > 1 {
			return f, daemon.Errorf(daemon.Invalid, "the parameter %s is given more than once", key)
		}
		if err := parseParameter(&f, key, values[0]); err != nil {
			return f, err
		}
	}
	return f, nil
}

func parseParameter(f *coordinator.Filter, key, value string) (err error) {
	switch key {
	case "after_id":
		f.After = value
	case "processed":
		f.Processed, err = parseBool(key, value)
	case "canceled":
		f.Canceled, err = parseBool(key, value)
	case "priority_gt":
		f.PriorityAbove, err = parseNumber(key, value)
	case "priority_lt":
		f.PriorityBelow, err = parseNumber(key, value)
	case "created_after", "created_before":
		t, e := wire.ParseTime(value)
		if e != nil {
			return daemon.Errorf(daemon.Invalid, "%s: %v", key, e)
		}
		if key == "created_after" {
			f.CreatedAfter = t
		} else {
			f.CreatedBefore = t
		}
	case "derivation":
		p, e := storepath.Parse(value)
		if e != nil {
			return daemon.Errorf(daemon.Invalid, "derivation: %v", e)
		}
		f.Derivation = p
	case "output":
		p, e := storepath.Parse(value)
		if e != nil {
			return daemon.Errorf(daemon.Invalid, "output: %v", e)
		}
		f.Output = p
	case "result":
		if value != wire.Success && value != wire.Failure {
			return daemon.Errorf(daemon.Invalid, "result must be %s or %s, not %.80q", wire.Success, wire.Failure, value)
		}
		f.Result = value
	case "relationship":
		if value != "no-dependent-builds" {
			return daemon.Errorf(daemon.Invalid, "relationship must be no-dependent-builds, not %.80q", value)
		}
		f.NoDependents = true
	case "limit":
		if f.Limit, err = strconv.Atoi(value); err != nil || f.Limit < 1 {
			return daemon.Errorf(daemon.Invalid, "limit must be a positive number, not %.80q", value)
		}
	default:
		return daemon.Errorf(daemon.Invalid, "the parameter %.80q is not known here", key)
	}
	return err
}

// parseTags reads tags written KEY:VALUE, or KEY for any value.
func parseTags(values []string) ([]datastore.TagFilter, error) {
	tags := make([]datastore.TagFilter, len(values))
	for i, text := range values {
		key, value, ok := strings.Cut(text, ":")
		if key == "" {
			return nil, daemon.Errorf(daemon.Invalid, "a tag is written KEY:VALUE or KEY, not %.80q", text)
		}
		tags[i].Key = key
		if ok && value != "" {
			tags[i].Value = &value
		}
	}
	return tags, nil
}

func parseNumber(key, value string) (*int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return nil, daemon.Errorf(daemon.Invalid, "%s must be a number, not %.80q", key, value)
	}
	return &n, nil
}

func parseBool(key, value string) (*bool, error) {
	switch value {
	case "true", "false":
		b := value == "true"
		return &b, nil
	}
	return nil, daemon.Errorf(daemon.Invalid, "%s must be true or false, not %.80q", key, value)
}
