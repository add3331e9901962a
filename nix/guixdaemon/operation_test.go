package guixdaemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

const (
	helloPath storepath.Path = "/gnu/store/0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix-hello-2.12"
	gonePath  storepath.Path = "/gnu/store/1111111111111111111111111111111a-gone"
	drvPath   storepath.Path = "/gnu/store/2222222222222222222222222222222b-x.drv"
	helloDrv  storepath.Path = "/gnu/store/2222222222222222222222222222222b-hello-2.12.drv"
	glibcPath storepath.Path = "/gnu/store/3333333333333333333333333333333c-glibc-2.39"
)

var everyOption = Options{
	KeepFailed:              true,
	KeepGoing:               true,
	Fallback:                true,
	Verbosity:               2,
	BuildVerbosity:          3,
	MaxBuildJobs:            4,
	BuildCores:              3,
	MaxSilentTime:           1100 * time.Millisecond,
	Timeout:                 2 * time.Hour,
	Offload:                 true,
	UseSubstitutes:          true,
	SubstituteURLs:          []string{"http://a.example", "http://b.example"},
	PrintBuildTrace:         true,
	PrintExtendedBuildTrace: true,
	MultiplexedBuildOutput:  true,
	Rounds:                  2,
	UserName:                "ludo",
	TerminalColumns:         80,
	Locale:                  "de_DE.UTF-8",
}

// emptyHash is the SHA-256 of nothing.
var emptyHash = [32]byte{
	0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
	0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
}

// none is the result of an operation that has none.
type none struct{}

// garbage is the result of CollectGarbage.
type garbage struct {
	Names []string
	Freed uint64
}

// archive writes strings as a NAR does.
func archive(tokens ...any) func(io.Writer) error {
	return func(w io.Writer) error { _, err := w.Write(wire(tokens...)); return err }
}

// Every conversation of testdata/conversations.txt, with what the client does
// in it, what comes out, and the log text it receives.
var operations = map[string]struct {
	do   func(context.Context, *Conn) (any, error)
	want any
	log  string
	err  string // a part of the error's text
}{
	"greeting": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return c.ServerVersion(), nil },
		want: uint64(0x164),
	},
	"greeting with log text": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return c.Multiplexes(), nil },
		want: true,
	},
	"set-options, the zero value": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return none{}, c.SetOptions(ctx, Options{}) },
		want: none{},
	},
	"set-options, everything": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return none{}, c.SetOptions(ctx, everyOption) },
		want: none{},
	},
	"set-options, negative numbers are zeros": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return none{}, c.SetOptions(ctx, Options{
				Verbosity: -1, BuildVerbosity: -1, MaxBuildJobs: -1, BuildCores: -1,
				MaxSilentTime: -1, Timeout: -time.Hour, Rounds: -1, TerminalColumns: -1,
				SubstituteURLs: []string{}, PrintBuildTrace: true,
			})
		},
		want: none{},
	},
	"set-options, the zero value to a daemon of 0x160": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return none{}, c.SetOptions(ctx, Options{}) },
		want: none{},
	},
	"set-options, everything to a daemon of 0x160": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return none{}, c.SetOptions(ctx, everyOption) },
		want: none{},
	},
	"valid-path?": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return c.IsValidPath(ctx, helloPath) },
		want: true,
	},
	"query-valid-paths": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return c.QueryValidPaths(ctx, []storepath.Path{helloPath, gonePath})
		},
		want: []storepath.Path{helloPath},
	},
	"query-path-info": {
		do: func(ctx context.Context, c *Conn) (any, error) { return c.QueryPathInfo(ctx, helloPath) },
		want: PathInfo{
			Deriver: helloDrv, NarHash: emptyHash, References: []storepath.Path{helloPath},
			Registered: time.Date(2038, time.January, 19, 3, 14, 9, 0, time.UTC), NarSize: 123456,
		},
	},
	"query-path-info without deriver and references": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return c.QueryPathInfo(ctx, helloPath) },
		want: PathInfo{NarHash: emptyHash, Registered: time.Unix(1, 0)},
	},
	"query-references": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return c.QueryReferences(ctx, helloPath) },
		want: []storepath.Path{glibcPath},
	},
	"query-derivation-outputs": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return c.QueryDerivationOutputs(ctx, helloDrv) },
		want: []storepath.Path{helloPath},
	},
	"query-path-from-hash-part": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return c.QueryPathFromHashPart(ctx, helloPath.HashPart())
		},
		want: helloPath,
	},
	"query-path-from-hash-part, none": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return c.QueryPathFromHashPart(ctx, helloPath.HashPart())
		},
		want: storepath.Path(""),
	},
	"query-substitutable-path-infos": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return c.QuerySubstitutablePathInfos(ctx, []storepath.Path{helloPath})
		},
		want: []Substitutable{
			{Path: helloPath, Deriver: helloDrv, References: []storepath.Path{glibcPath},
				DownloadSize: 0x100000001, NarSize: 0x200000002},
			{Path: glibcPath},
		},
		log: "updating substitutes... 50%\r",
	},
	"built-in-builders": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return c.BuiltinBuilders(ctx) },
		want: []string{"download", "git-download"},
	},
	"built-in-builders, not asked of a daemon of 0x15f": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return c.BuiltinBuilders(ctx) },
		want: []string(nil),
	},
	"substitute-urls": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return c.SubstituteURLs(ctx) },
		want: []string{"https://bordeaux.guix.gnu.org", "https://ci.guix.gnu.org"},
	},
	"substitute-urls, not asked of a daemon of 0x163": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			_, err := c.SubstituteURLs(ctx)
			return errors.Is(err, errors.ErrUnsupported), err
		},
		want: true,
		err:  "0x163 does not tell",
	},
	"add-to-store": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return c.AddToStore(ctx, "file", false,
				archive("nix-archive-1", "(", "type", "regular", "contents", "hello", ")"))
		},
		want: storepath.Path("/gnu/store/0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix-file"),
	},
	"add-to-store, recursive": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return c.AddToStore(ctx, "tree", true, archive("nix-archive-1", "(", "type", "directory", ")"))
		},
		want: storepath.Path("/gnu/store/0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix-tree"),
	},
	"add-to-store, refused while the archive is being written": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return c.AddToStore(ctx, "tree", true, func(w io.Writer) error {
				for { // until the connection breaks
					if _, err := w.Write(make([]byte, 8192)); err != nil {
						return err
					}
				}
			})
		},
		want: storepath.Path(""),
		err:  "add-to-store tree: guix-daemon: bad archive: no magic",
	},
	"add-text-to-store": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return c.AddTextToStore(ctx, "x.drv", []byte("text\xff"), []storepath.Path{glibcPath})
		},
		want: drvPath,
	},
	"ensure-path": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return none{}, c.EnsurePath(ctx, helloPath) },
		want: none{},
	},
	"build-things": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return none{}, c.Build(ctx, []string{string(drvPath), strings.Replace(string(drvPath), "x", "y", 1) + "!out"}, Check)
		},
		want: none{},
		log:  "one\ntwo\xff\n",
	},
	"build-things, failed, and then another operation": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			err := c.Build(ctx, []string{string(drvPath)}, Normal)
			var said *Error
			if !errors.As(err, &said) || said.Status != StatusFailed {
				return nil, err
			}
			valid, err2 := c.IsValidPath(ctx, drvPath)
			return valid, errors.Join(err, err2)
		},
		want: false,
		log:  "output",
		err:  "build-things " + string(drvPath) + ": guix-daemon: build of `" + string(drvPath) + "' failed",
	},
	"add-temp-root": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return none{}, c.AddTempRoot(ctx, helloPath) },
		want: none{},
	},
	"add-indirect-root": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return none{}, c.AddIndirectRoot(ctx, "/home/ludo/result")
		},
		want: none{},
	},
	"add-indirect-root, not asked for a relative name": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return none{}, c.AddIndirectRoot(ctx, "result") },
		want: none{},
		err:  "not an absolute file name",
	},
	"sync-with-gc": {
		do:   func(ctx context.Context, c *Conn) (any, error) { return none{}, c.SyncWithGC(ctx) },
		want: none{},
	},
	"find-roots": {
		do: func(ctx context.Context, c *Conn) (any, error) { return c.FindRoots(ctx) },
		want: []Root{
			{Name: "/home/ludo/result", Target: helloPath},
			{Name: "/proc/7/maps", Target: glibcPath},
		},
	},
	"collect-garbage, what is dead": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			names, freed, err := c.CollectGarbage(ctx, GCReturnDead, nil, 0)
			return garbage{names, freed}, err
		},
		want: garbage{Names: []string{string(helloPath), "/gnu/store/leftover"}},
	},
	"collect-garbage, a little": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			names, freed, err := c.CollectGarbage(ctx, GCDeleteDead, nil, 1000)
			return garbage{names, freed}, err
		},
		want: garbage{[]string{string(helloPath)}, 0x100000000},
	},
	"collect-garbage, given paths": {
		do: func(ctx context.Context, c *Conn) (any, error) {
			return c.DeletePaths(ctx, []storepath.Path{helloPath})
		},
		want: uint64(5),
	},
}

func TestConversations(t *testing.T) {
	scripts := conversations(t)
	for name := range operations {
		if scripts[name] == nil {
			t.Errorf("testdata/conversations.txt lacks %q", name)
		}
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			op, ok := operations[name]
			if !ok {
				t.Fatal("no operation for this conversation")
			}
			c := talk(t, script)
			var log bytes.Buffer
			c.SetLog(&log)
			got, err := op.do(context.Background(), c)
			if (err == nil) != (op.err == "") || err != nil && !strings.Contains(err.Error(), op.err) {
				t.Errorf("got error %v, want %q", err, op.err)
			}
			if diff := cmp.Diff(op.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if log.String() != op.log {
				t.Errorf("log: got %q, want %q", log.String(), op.log)
			}
		})
	}
}
