package system

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// programDir is where the program is built; TestMain makes and removes it.
var programDir string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tbfg-system-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programDir = dir
	return m.Run()
}

// buildProgram builds the program, once, so that it runs in every machine
// whatever C library that has.
var buildProgram = sync.OnceValues(func() (string, error) {
	file := filepath.Join(programDir, "tbfg")
	cmd := exec.Command("go", "build", "-o", file, "-tags", "netgo,osusergo,sqlite_omit_load_extension",
		"-ldflags", `-s -w -linkmode external -extldflags "-static"`, "codeberg.org/tbfg/tbfg/cmd/tbfg")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tbfg: %w\n%s", err, out)
	}
	return file, nil
})
