package gbcimport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
)

// logFiles are the names that a log can have in its build's directory. The
// post has the first; the second is as guix-daemon leaves a log, which
// upstream keeps unless it is told to compress it anew.
var logFiles = []struct{ name, format string }{{"log.gz", "gzip"}, {"log.bz2", "bzip2"}}

// ImportLogs brings the logs of the builds that were imported, or were there
// already, from a directory that has them as upstream's build-logs does:
// UUID/log.gz. It puts them into one that [buildlog.Open] opens with the limit.
// A log that is there already stays. A dry run looks only whether they are there.
func (r *Report) ImportLogs(ctx context.Context, from, into string, limit int64) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("import build logs: %w", err)
	}
	var logs *buildlog.Store
	if !r.DryRun { // it would make the directory
		if logs, err = buildlog.Open(into, limit); err != nil {
			return err
		}
	}
	line := r.line("build logs")
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("import build logs: %w", err)
		}
		line.InFile++
		ended, known := r.builds[e.Name()]
		switch {
		case !known:
			line.skip(1, "the build is skipped or missing")
			continue
		case !ended:
			line.skip(1, "the build has not ended")
			continue
		}
		if _, err := os.Stat(filepath.Join(into, e.Name(), buildlog.Name)); err == nil {
			line.There++
			continue
		}
		if err := r.importLog(line, filepath.Join(from, e.Name()), e.Name(), logs); err != nil {
			return err
		}
	}
	return nil
}

// importLog imports the log in a build's directory; a dry run only opens it.
func (r *Report) importLog(line *Line, dir, uuid string, logs *buildlog.Store) error {
	for _, file := range logFiles {
		f, err := os.Open(filepath.Join(dir, file.name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("import build logs: %w", err)
		}
		if !r.DryRun {
			err = logs.Save(uuid, file.format, f)
		}
		f.Close()
		switch daemon.CodeOf(err) {
		case daemon.Invalid:
			line.skip(1, "the file is damaged")
			return nil
		case daemon.TooLarge:
			line.skip(1, "it is larger than coordinator.max_log_size")
			return nil
		}
		if err != nil {
			return fmt.Errorf("import %s: %w", f.Name(), err)
		}
		line.Imported++
		return nil
	}
	line.skip(1, "there is no file log.gz or log.bz2")
	return nil
}
