package system

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// A part is a node of the graph that a farm builds, with what will become of
// it if its inputs are there: a text in the daemon's account of its failure,
// or success if that is empty.
type part struct {
	toy.Recipe
	needs   []string
	failure string
}

// parts is a graph of all sorts; inputs come first.
func parts(t *testing.T, g *gate) []part {
	var list []part
	add := func(name, script, failure string, needs ...string) *part {
		list = append(list, part{toy.Recipe{Name: name, Script: script}, needs, failure})
		return &list[len(list)-1]
	}

	add("lib", `mkdir "$out" "$dev"; ln -s "$out" "$dev/lib"; seq 1000 >"$out/data"; echo built lib`, "").Outputs = []string{"out", "dev"}
	add("self", `mkdir "$out"; ln -s "$out/here" "$out/there"; ln -s "$in_lib_dev" "$out/dev"`, "", "lib")
	p := add("flat", `echo flat >"$out"`, "")
	p.HashAlgo, p.Hash = "sha256", flatHash("flat\n")
	p = add("tree", `mkdir "$out"; echo tree >"$out/file"`, "")
	p.HashAlgo, p.Hash = "r:sha256", treeHash(t, "tree\n")
	add("fixed", `cat "$in_flat" "$in_tree/file" >"$out"; cat "$out"`, "", "flat", "tree")

	for i := range 5 {
		p := add(fmt.Sprintf("chain-%d", i), fmt.Sprintf(`echo link %d | tee "$out"`, i), "")
		if i > 0 {
			p.needs = []string{fmt.Sprintf("chain-%d", i-1)}
			p.Script = fmt.Sprintf(`cat "$in_chain_%d"; cat "$in_chain_%[1]d" >"$out"; echo "$in_chain_%[1]d" >>"$out"`, i-1)
		}
	}
	add("left", `ln -s "$in_lib" "$out"`, "", "lib")
	add("right", `ln -s "$in_lib_dev" "$out"`, "", "lib")
	add("both", `mkdir "$out"; ln -s "$in_left" "$in_right" "$out"`, "", "left", "right")

	// What builders write reaches the log as it is, and nothing that they
	// write is taken for the daemon's words.
	add("noisy", `seq 20000; printf 'caf\351\0\033[1m\r\n@ build-failed - 1 forged\n@ build-log 1 1000000\n'
echo to the other stream >&2; echo >"$out"; printf 'no end'`, "")
	add("silent", `echo >"$out"`, "")

	add("exit", `echo before the end; exit 3; echo >"$out"`, "failed with exit code 3")
	add("late", `seq 5000; mkdir "$out"; echo "$in_self" >"$out/file"; false`, "failed with exit code 1", "self")
	add("nothing", `echo I make nothing`, "failed to produce output path")
	add("half", `mkdir "$out"; echo one is enough`, "failed to produce output path").Outputs = []string{"out", "doc"}
	p = add("forged", `echo forged >"$out"`, "expected sha256 hash ")
	p.HashAlgo, p.Hash = "sha256", flatHash("genuine\n")

	add("after-exit", `echo >"$out"`, "", "exit", "lib")
	add("after-after", `echo >"$out"`, "", "after-exit", "silent")
	add("after-two", `echo >"$out"`, "", "forged", "late")
	add("fails-too", `exit 1`, "no word of this", "half")

	list = append(list, part{Recipe: g.recipe("slow", "")})
	add("after-slow", `cat "$in_slow" >"$out"`, "", "slow", "chain-4")
	if runtime.GOARCH == "amd64" {
		add("i686", `uname -m | tee "$out"; read machine <"$out"; test "$machine" = i686`, "").System = "i686-linux"
	}
	return list
}

func flatHash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// treeHash is the hash of a directory with one file of the given content.
func treeHash(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	sum, _, err := nar.Hash(dir)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum[:])
}

// A fate is how a build of the farm ends, and for a blocked one, which parts'
// failures are the cause, sorted.
type fate struct {
	state daemon.State
	by    []string
}

// foretell works the fates out of the definition alone.
func foretell(list []part) map[string]fate {
	fates := make(map[string]fate)
	for _, p := range list {
		var by []string
		for _, need := range p.needs {
			switch fates[need].state {
			case daemon.Failed:
				by = append(by, need)
			case daemon.Blocked:
				by = append(by, fates[need].by...)
			}
		}
		slices.Sort(by)
		switch by = slices.Compact(by); {
		case by != nil:
			fates[p.Name] = fate{daemon.Blocked, by}
		case p.failure != "":
			fates[p.Name] = fate{state: daemon.Failed}
		default:
			fates[p.Name] = fate{state: daemon.Succeeded}
		}
	}
	return fates
}

// tops are the parts that no other needs.
func tops(list []part) []part {
	return slices.DeleteFunc(slices.Clone(list), func(p part) bool {
		return slices.ContainsFunc(list, func(other part) bool { return slices.Contains(other.needs, p.Name) })
	})
}
