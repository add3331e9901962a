package history

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// program compiles tbfg, once for all tests, into a directory that TestMain
// removes.
var program = sync.OnceValues(func() (file string, err error) {
	file = filepath.Join(programDir, "tbfg")
	out, err := exec.Command("go", "build", "-o", file, "codeberg.org/tbfg/tbfg/cmd/tbfg").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build tbfg: %w\n%s", err, out)
	}
	return file, touchSources("../..")
})

// programDir is where the program is.
var programDir string

// touchSources looks at all of the program's sources, which makes go test
// forget a result when one of them changes: a process that is started is none
// of what it knows.
func touchSources(module string) error {
	for _, room := range []string{"cmd", "config", "daemon", "nix", "shepherd"} {
		err := filepath.WalkDir(filepath.Join(module, room), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("look at the sources: %w", err)
		}
	}
	return nil
}
