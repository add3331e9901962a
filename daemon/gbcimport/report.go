package gbcimport

import (
	"fmt"
	"io"
)

// A Report says what became of all that the file has.
type Report struct {
	DryRun bool
	Lines  []*Line
	builds map[string]bool // the UUIDs of the file's that are ours now, and whether they have ended
}

// A Line is what became of one kind of things. Each thing in the file was
// imported, was there already, or was skipped.
type Line struct {
	What     string
	Lacking  string // what the file lacks to have any; empty for nothing
	InFile   int
	Imported int
	There    int
	Skipped  []Skip // in the order in which the reasons came up
}

// A Skip is a reason to leave things out, and how many it concerns.
type Skip struct {
	Why   string
	Count int
}

func (r *Report) line(what string) *Line {
	l := &Line{What: what}
	r.Lines = append(r.Lines, l)
	return l
}

func (l *Line) skip(count int, why string) {
	if count == 0 {
		return
	}
	for i := range l.Skipped {
		if l.Skipped[i].Why == why {
			l.Skipped[i].Count += count
			return
		}
	}
	l.Skipped = append(l.Skipped, Skip{why, count})
}

func (l *Line) skipped() (n int) {
	for _, s := range l.Skipped {
		n += s.Count
	}
	return n
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%-15s  %11s  %8s  %13s  %7s\n", "", "IN THE FILE", "IMPORTED", "ALREADY THERE", "SKIPPED")
	for _, l := range r.Lines {
		fmt.Fprintf(w, "%-15s  %11d  %8d  %13d  %7d\n", l.What, l.InFile, l.Imported, l.There, l.skipped())
	}
	for _, l := range r.Lines {
		if l.Lacking != "" {
			fmt.Fprintf(w, "no %s: %s\n", l.What, l.Lacking)
		}
		for _, s := range l.Skipped {
			fmt.Fprintf(w, "%s, %d skipped: %s\n", l.What, s.Count, s.Why)
		}
	}
	if r.DryRun {
		fmt.Fprintln(w, "this was a dry run: nothing was imported")
	}
}
