package phases

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/tests/machine"

	"golang.org/x/sys/unix"
)

const tree = "/root/tbfg"

// tools are what Guix gives every build: bash, coreutils, diffutils, file,
// findutils, gawk, grep, gzip, patch, sed, tar, xz; GCC and the binutils. The
// host has them in /usr/bin.
const tools = `
	basename cat chmod cp cut date dirname echo env expr false head id install ln ls mkdir mktemp mv od printf pwd
	readlink rm rmdir seq sleep sort stat tail tee touch tr true uname uniq wc
	cmp diff file find xargs awk grep egrep gzip gunzip patch sed tar xz gcc as ld ar nm objcopy ranlib readelf strip`

// visible is what builds see beside the store, with what it is in the machine.
var visible = []string{
	"/host", "/goroot", "/gocache", "/guile/usr=/usr",
	"/lib=/host/lib", "/lib64=/host/lib64", "/usr/lib=/host/lib", "/usr/include=/host/include",
}

// A builder is a machine with what build.scm needs.
type builder struct{ *machine.Machine }

func prepare(t *testing.T) builder {
	t.Helper()
	b := builder{machine.New(t, machine.Sid)}
	b.installTree(t)
	b.installLibraries(t)
	b.installTools(t)
	if err := os.MkdirAll(b.Path("/inputs/go-std/var/cache/go/build"), 0o755); err != nil {
		t.Fatal(err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	b.bind(t, "/usr", "/host")
	b.bind(t, strings.TrimSpace(string(goroot)), "/goroot")
	b.bind(t, goCache(t), "/gocache")
	// Guix 1.5.0 has an error: it puts a directory called \x01 before the first.
	// Once it is there, it does no harm.
	if err := os.Mkdir(b.Path("/\x01"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Daemon(t.Context(), "--chroot-directory="+strings.Join(visible, " ")); err != nil {
		t.Fatal(err)
	}
	return b
}

// installTree copies the source: the files that git has or would add.
func (b builder) installTree(t *testing.T) {
	t.Helper()
	git := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	git.Dir = "../.."
	names, err := git.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if err := b.Install(filepath.Join(git.Dir, name), filepath.Join(tree, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// installLibraries copies the sources of the modules, each to where Guix's
// package of it would have them.
func (b builder) installLibraries(t *testing.T) {
	t.Helper()
	modules, err := exec.Command("../gopath-build", "--modules").Output()
	if err != nil {
		t.Fatal(err)
	}
	download := exec.Command("go", append([]string{"mod", "download", "-json"}, strings.Fields(string(modules))...)...)
	download.Dir = t.TempDir()
	var diag bytes.Buffer
	download.Stderr = &diag
	listed, err := download.Output()
	if err != nil {
		t.Fatalf("go mod download: %v\n%s", err, diag.Bytes())
	}
	for decoder := json.NewDecoder(bytes.NewReader(listed)); decoder.More(); {
		var module struct{ Path, Dir string }
		if err := decoder.Decode(&module); err != nil {
			t.Fatal(err)
		}
		to := b.Path("/inputs/libraries/" + module.Path + "/src/" + module.Path)
		if err := os.CopyFS(to, os.DirFS(module.Dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// installTools links to programs of the host.
func (b builder) installTools(t *testing.T) {
	t.Helper()
	// A builder must be in the store itself: a static one, from the machine.
	if err := b.Install(b.Path("/bin/bash-static"), "/inputs/tools/bin/bash"); err != nil {
		t.Fatal(err)
	}
	bin := b.Path("/inputs/tools/bin")
	if err := os.Symlink("bash", filepath.Join(bin, "sh")); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(tools) {
		// Past the links in /etc/alternatives, which the build does not see.
		program, err := filepath.EvalSymlinks("/usr/bin/" + name)
		if err != nil {
			continue
		}
		target := "/host" + strings.TrimPrefix(program, "/usr")
		if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// bind shows a directory of the host in the machine.
func (b builder) bind(t *testing.T, from, to string) {
	t.Helper()
	at := b.Path(to)
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(from, at, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", at, "", unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
}

// goCache is the kept directory for what Go compiles, locked for this test: the
// first build takes minutes, and the next seconds. Go itself clears it up.
func goCache(t *testing.T) string {
	t.Helper()
	cache := os.Getenv("TBFG_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(dir, "tbfg")
	}
	dir := filepath.Join(cache, "phases")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	// Each machine's build users have other numbers.
	if out, err := exec.Command("chmod", "-R", "a+rwX", dir).CombinedOutput(); err != nil {
		t.Fatalf("chmod: %v\n%s", err, out)
	}
	return dir
}

// build builds the package, with the tests in some directories or all of them,
// and returns its output and the log.
func (b builder) build(t *testing.T, subdirs ...string) (out, log string) {
	t.Helper()
	args := []string{"repl", "-L", tree + "/guix", "--", tree + "/tests/phases/build.scm", "/inputs"}
	cmd := b.Command(t.Context(), "guix", append(args, subdirs...)...)
	var diag bytes.Buffer
	cmd.Stderr = &diag
	text, err := cmd.Output()
	if err != nil {
		tail := diag.Bytes()
		t.Fatalf("build: %v\n%s", err, tail[max(0, len(tail)-8000):])
	}
	return strings.TrimSpace(string(text)), diag.String()
}
