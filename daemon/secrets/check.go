package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A Problem is a secret that others can get at.
type Problem struct {
	File string
	What string // that is wrong
	Mend string // the command that mends it
}

func (p Problem) String() string { return fmt.Sprintf("%s %s; run: %s", p.File, p.What, p.Mend) }

// Check looks for files and directories with a wrong owner or mode in a
// directory of secrets; uid and gid are whom they must belong to. A directory
// that is not there has no problem.
func Check(dir string, uid, gid int) ([]Problem, error) {
	var problems []Problem
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		problems = append(problems, check(name, info, uid, gid)...)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return problems, nil
	}
	if err != nil {
		return problems, fmt.Errorf("look at the secrets: %w", err)
	}
	return problems, nil
}

func check(name string, info os.FileInfo, uid, gid int) (problems []Problem) {
	want := os.FileMode(0o600)
	switch {
	case info.IsDir():
		want = 0o700
	case !info.Mode().IsRegular():
		return []Problem{{name, "is neither a file nor a directory", "rm " + name}}
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != uid {
		problems = append(problems, Problem{name, fmt.Sprintf("belongs to the user %d, not to %d", owner.Uid, uid),
			fmt.Sprintf("chown %d:%d %s", uid, gid, name)})
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 || mode&want != want {
		problems = append(problems, Problem{name, fmt.Sprintf("has the mode %04o, not %04o", mode, want),
			fmt.Sprintf("chmod %o %s", want, name)})
	}
	return problems
}
