package channel

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/tests/machine"
)

// Where channels are compiled there is no Shepherd: a module that needs it
// would break "guix pull" for everybody.
func TestModulesCompileWithoutTheShepherd(t *testing.T) {
	t.Parallel()
	g := &guix{Machine: machine.New(t, machine.Sid)}
	g.installTree(t)
	for _, pattern := range []string{"/usr/share/guile/site/3.0/shepherd*", "/usr/lib/*/guile/3.0/site-ccache/shepherd*"} {
		found, err := filepath.Glob(g.Path("/") + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: got %v, %v; want the Shepherd", pattern, found, err)
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := g.Run(t.Context(), "guix", "repl", "--", tree+"/tests/channel/compile.scm", tree+"/guix", "/compiled"); err != nil {
		t.Fatal(err)
	}
	modules := 0
	err := filepath.WalkDir("../../guix", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		modules++
		compiled := strings.TrimSuffix(strings.TrimPrefix(path, "../../guix"), ".scm") + ".go"
		_, err = os.Stat(g.Path("/compiled" + compiled))
		return err
	})
	if err != nil || modules < 10 {
		t.Errorf("got %d modules, %v; want all compiled", modules, err)
	}
}
