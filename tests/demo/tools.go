package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// findTools is a directory with a bin/bash-static and a bin/busybox that need
// no other files, for builders to use: this machine's root directory, as Debian
// has them, or one made of Guix's packages.
func findTools(ctx context.Context, out *screen, work *workshop) (root string, err error) {
	if isStatic("/bin/bash-static") && isStatic("/bin/busybox") {
		return "/", nil
	}
	out.say("Its builders need a shell: guix build bash-static busybox", "The first time this is a download.")
	text, err := work.run(command(ctx, "guix", "build", "--no-grafts", "bash-static", "busybox"), "guix-build.log", "", nil)
	if err != nil {
		return "", err
	}
	root = work.file("tools")
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		return "", err
	}
	items := strings.Fields(text)
	for to, from := range map[string]string{"bash-static": "bash", "busybox": "busybox"} {
		// A package may have several outputs, such as documentation.
		i := slices.IndexFunc(items, func(item string) bool { return isStatic(filepath.Join(item, "bin", from)) })
		if i < 0 {
			return "", fmt.Errorf("there is no static bin/%s in %s", from, strings.Join(items, ", "))
		}
		if err := copyFile(filepath.Join(root, "bin", to), filepath.Join(items[i], "bin", from)); err != nil {
			return "", err
		}
	}
	return root, nil
}

// isStatic tells whether a program can run alone in a build's chroot.
func isStatic(file string) bool {
	f, err := elf.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	return !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// copyFile copies a program, in the place of what was there.
func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}
