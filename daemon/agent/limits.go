package agent

import (
	"fmt"
	"strconv"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// limits are those of one build. Zero leaves one to the daemon, a negative
// duration is none.
type limits struct {
	cores            int
	timeout, silence time.Duration
}

// The tags of a build that take the place of the agent's own limits. Their
// values are whole seconds, or a duration such as "90m"; "0" is none.
const (
	timeoutTag = "timeout"
	silenceTag = "max-silent-time"
)

// maxLimit is the longest that a tag can ask for: what the daemon's 32 bits of
// seconds have room for.
const maxLimit = (1<<31 - 1) * time.Second

// limits are those of the agent's configuration and of the build's tags. Whoever
// submits a build chooses its tags: one that makes no sense is ignored.
func (a *Agent) limits(b daemon.Allocation) limits {
	set := a.current.Load()
	l := limits{set.Cores, set.Timeout, set.MaxSilentTime}
	for _, tag := range b.Tags {
		var field *time.Duration
		switch tag.Key {
		case timeoutTag:
			field = &l.timeout
		case silenceTag:
			field = &l.silence
		default:
			continue
		}
		limit, err := parseLimit(tag.Value)
		if err != nil {
			a.Log.Warn("build "+b.UUID+" has a tag that makes no sense; it is ignored", "tag", tag.Key, "err", err)
			continue
		}
		*field = limit
	}
	return l
}

func parseLimit(text string) (time.Duration, error) {
	limit, err := time.ParseDuration(text)
	if seconds, e := strconv.ParseInt(text, 10, 32); e == nil {
		limit, err = time.Duration(seconds)*time.Second, nil
	}
	switch {
	case err != nil || limit < 0 || limit > maxLimit:
		return 0, fmt.Errorf("%.40q is neither a number of seconds nor a duration such as 90m", text)
	case limit == 0:
		return -1, nil // no limit
	}
	return limit, nil
}
