package guixdaemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// IsValidPath tells whether path is a complete item of the store. A file that
// lies there is not, until the daemon has registered it.
func (c *Conn) IsValidPath(ctx context.Context, path storepath.Path) (valid bool, err error) {
	err = c.call(ctx, "valid-path? "+string(path), opIsValidPath,
		args(func(e encoder) { e.string(string(path)) }),
		func(d *decoder) { valid = d.bool() })
	return valid, err
}

// QueryValidPaths returns those of paths that are valid, in the daemon's order.
func (c *Conn) QueryValidPaths(ctx context.Context, paths []storepath.Path) (valid []storepath.Path, err error) {
	err = c.call(ctx, "query-valid-paths", opQueryValidPaths,
		args(func(e encoder) { writeStrings(e, paths) }),
		func(d *decoder) { valid = readList(d, d.path) })
	return valid, err
}

// PathInfo is what the daemon's database says about a valid item.
type PathInfo struct {
	Deriver    storepath.Path // empty when not known
	NarHash    [32]byte       // SHA-256 of the item as a NAR
	References []storepath.Path
	Registered time.Time
	NarSize    uint64 // of the item as a NAR; 0 when not known
}

// QueryPathInfo describes a valid item. For any other the result is an *Error.
func (c *Conn) QueryPathInfo(ctx context.Context, path storepath.Path) (info PathInfo, err error) {
	err = c.call(ctx, "query-path-info "+string(path), opQueryPathInfo,
		args(func(e encoder) { e.string(string(path)) }),
		func(d *decoder) {
			info.Deriver = d.optionalPath()
			info.NarHash = d.hash()
			info.References = readList(d, d.path)
			// The daemon truncates the time to 32 bits.
			info.Registered = time.Unix(int64(uint32(d.uint())), 0)
			info.NarSize = d.uint()
		})
	if err != nil {
		return PathInfo{}, err
	}
	return info, nil
}

// QueryReferences returns what a valid item refers to, itself included if so.
func (c *Conn) QueryReferences(ctx context.Context, path storepath.Path) ([]storepath.Path, error) {
	return c.paths(ctx, "query-references", opQueryReferences, path)
}

// QueryDerivationOutputs returns the outputs of a valid derivation, valid or not.
func (c *Conn) QueryDerivationOutputs(ctx context.Context, drv storepath.Path) ([]storepath.Path, error) {
	return c.paths(ctx, "query-derivation-outputs", opQueryDerivationOutputs, drv)
}

// paths performs an operation from one path to several.
func (c *Conn) paths(ctx context.Context, name string, op operation, path storepath.Path) (list []storepath.Path, err error) {
	err = c.call(ctx, name+" "+string(path), op,
		args(func(e encoder) { e.string(string(path)) }),
		func(d *decoder) { list = readList(d, d.path) })
	return list, err
}

// QueryPathFromHashPart returns the valid item whose base name begins with the
// 32 characters of hash, or the empty path when there is none.
func (c *Conn) QueryPathFromHashPart(ctx context.Context, hash string) (path storepath.Path, err error) {
	err = c.call(ctx, fmt.Sprintf("query-path-from-hash-part %q", clip(hash)), opQueryPathFromHashPart,
		args(func(e encoder) { e.string(hash) }),
		func(d *decoder) { path = d.optionalPath() })
	return path, err
}

// Substitutable describes an item that a substitute server offers.
type Substitutable struct {
	Path         storepath.Path
	Deriver      storepath.Path // empty when not known
	References   []storepath.Path
	DownloadSize uint64 // 0 when not known
	NarSize      uint64 // 0 when not known
}

// QuerySubstitutablePathInfos describes those of paths that can be
// substituted, in any order. The daemon asks its substitute servers or those of
// [Options.SubstituteURLs]; without [Options.UseSubstitutes] there are none.
func (c *Conn) QuerySubstitutablePathInfos(ctx context.Context, paths []storepath.Path) (infos []Substitutable, err error) {
	err = c.call(ctx, "query-substitutable-path-infos", opQuerySubstitutablePathInfos,
		args(func(e encoder) { writeStrings(e, paths) }),
		func(d *decoder) {
			infos = readList(d, func() Substitutable {
				return Substitutable{
					Path:         d.path(),
					Deriver:      d.optionalPath(),
					References:   readList(d, d.path),
					DownloadSize: d.uint(),
					NarSize:      d.uint(),
				}
			})
		})
	return infos, err
}

// BuiltinBuilders returns the builders that are part of the daemon, such as
// "download" for "builtin:download"; none from daemons before 0x160, which have
// none.
func (c *Conn) BuiltinBuilders(ctx context.Context) (names []string, err error) {
	if c.minor() < 0x60 {
		return nil, nil
	}
	err = c.call(ctx, "built-in-builders", opBuiltinBuilders, nil,
		func(d *decoder) { names = readList(d, d.string) })
	return names, err
}

// SubstituteURLs returns the substitute servers that the daemon is configured
// with. Daemons before 0x164 cannot tell: the error is errors.ErrUnsupported.
func (c *Conn) SubstituteURLs(ctx context.Context) (urls []string, err error) {
	if c.minor() < 0x64 {
		return nil, fmt.Errorf("substitute-urls: a daemon of protocol %#x does not tell: %w", c.server, errors.ErrUnsupported)
	}
	err = c.call(ctx, "substitute-urls", opSubstituteURLs, nil,
		func(d *decoder) { urls = readList(d, d.string) })
	return urls, err
}
