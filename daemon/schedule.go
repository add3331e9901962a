package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Schedule says when something is done again and again. The zero one is
// never.
type Schedule struct {
	every    time.Duration
	calendar bool
	days     []time.Weekday // none for every day
	at       time.Duration  // after midnight, UTC
}

// minEvery is the shortest interval of a schedule.
const minEvery = time.Minute

// ParseSchedule reads an interval, such as "6h" or "90m", or times of a
// calendar in UTC: "04:30" for every day, "mon,thu 04:30" for some. An empty text
// is never.
func ParseSchedule(text string) (s Schedule, err error) {
	if text == "" {
		return s, nil
	}
	if every, err := time.ParseDuration(text); err == nil {
		if every < minEvery {
			return s, fmt.Errorf("a schedule's interval must be at least %v, not %q", minEvery, text)
		}
		return Schedule{every: every}, nil
	}
	wrong := fmt.Errorf(`a schedule is an interval such as "6h", or a time in UTC such as "04:30" or "mon,thu 04:30", not %.80q`, text)
	days, clock, found := strings.Cut(text, " ")
	if !found {
		days, clock = "", text
	}
	at, err := time.Parse("15:04", clock)
	if err != nil {
		return s, wrong
	}
	s = Schedule{calendar: true, at: time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute}
	if days == "" {
		return s, nil
	}
	for name := range strings.SplitSeq(strings.ToLower(days), ",") {
		i := slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, name)
		if i < 0 {
			return Schedule{}, wrong
		}
		s.days = append(s.days, time.Weekday(i))
	}
	return s, nil
}

// Next is the first time after another one; zero for never.
func (s Schedule) Next(after time.Time) time.Time {
	switch {
	case s.every > 0:
		return after.Add(s.every)
	case !s.calendar:
		return time.Time{}
	}
	after = after.UTC()
	day := time.Date(after.Year(), after.Month(), after.Day(), 0, 0, 0, 0, time.UTC)
	for ; ; day = day.AddDate(0, 0, 1) {
		t := day.Add(s.at)
		if t.After(after) && (len(s.days) == 0 || slices.Contains(s.days, t.Weekday())) {
			return t
		}
	}
}
