package toy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// applets are the commands of busybox that scripts can use by name. The list
// is a fixed one so that the toolbox, and with it every path, depends on
// nothing but the two binaries.
var applets = []string{
	"awk", "base64", "basename", "cat", "chmod", "cmp", "cp", "cut", "date", "dd", "diff",
	"dirname", "env", "expr", "false", "find", "grep", "gzip", "head", "hostname", "id", "kill",
	"ln", "ls", "mkdir", "mkfifo", "mktemp", "mv", "nc", "od", "printf", "ps", "pwd", "readlink",
	"rm", "rmdir", "sed", "seq", "sha256sum", "sleep", "sort", "stat", "sync", "tail", "tar",
	"tee", "touch", "tr", "true", "uname", "uniq", "usleep", "wc", "wget", "xargs", "yes",
}

// addTools adds the toolbox to the store: a bin with bash, sh, busybox and
// its applets.
func addTools(ctx context.Context, conn *guixdaemon.Conn, root string) (storepath.Path, error) {
	bash, err := os.ReadFile(filepath.Join(root, "bin/bash-static"))
	if err != nil {
		return "", err
	}
	busybox, err := os.ReadFile(filepath.Join(root, "bin/busybox"))
	if err != nil {
		return "", err
	}
	var archive bytes.Buffer
	if err := writeTools(&archive, bash, busybox); err != nil {
		return "", fmt.Errorf("archive toolbox: %w", err)
	}
	return conn.AddToStore(ctx, "toolbox", true, func(w io.Writer) error {
		_, err := w.Write(archive.Bytes())
		return err
	})
}

func writeTools(w io.Writer, bash, busybox []byte) error {
	files := []nar.Header{
		{Path: "bin/bash", Type: nar.Regular, Executable: true, Size: int64(len(bash))},
		{Path: "bin/busybox", Type: nar.Regular, Executable: true, Size: int64(len(busybox))},
		{Path: "bin/sh", Type: nar.Symlink, Target: "bash"},
	}
	for _, name := range applets {
		files = append(files, nar.Header{Path: "bin/" + name, Type: nar.Symlink, Target: "busybox"})
	}
	slices.SortFunc(files, func(a, b nar.Header) int { return strings.Compare(a.Path, b.Path) })
	files = slices.Insert(files, 0, nar.Header{Type: nar.Directory}, nar.Header{Path: "bin", Type: nar.Directory})

	contents := map[string][]byte{"bin/bash": bash, "bin/busybox": busybox}
	archive := nar.NewWriter(w)
	for _, f := range files {
		if err := archive.WriteHeader(&f); err != nil {
			return err
		}
		if content, ok := contents[f.Path]; ok {
			if _, err := archive.Write(content); err != nil {
				return err
			}
		}
	}
	return archive.Close()
}
