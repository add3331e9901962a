package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/daemon/patience"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A Farm knows which outputs are kept; the coordinator is one.
type Farm interface {
	// Kept fails with the code [daemon.NotFound] for what is not. The build
	// may be empty, for the newest.
	Kept(ctx context.Context, hashPart, build string) (daemon.Kept, error)
}

// A Signer signs what is served.
type Signer struct {
	Key  func() *narinfo.SigningKey // the one of now
	Host string                     // the farm's, for people to read
}

// How long clients may believe what they were told. Builds end, and their
// outputs are removed, while clients ask.
const (
	believed = 5 * time.Minute
	missing  = 30 * time.Second
)

// Handler serves what is kept, and leaves all other requests to rest.
func Handler(kept *outputs.Store, farm Farm, signer Signer, rest http.Handler) http.Handler {
	p := &publisher{kept, farm, signer}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /nix-cache-info", p.serveInfo)
	mux.HandleFunc("GET /signing-key.pub", p.serveKey)
	mux.HandleFunc("GET /{narinfo}", p.serveNarinfo)
	mux.HandleFunc("GET /nar/{compression}/{build}/{item}", p.serveArchive)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would redirect to a clean path, which nothing here does.
		if ours(r.URL.Path) && r.URL.Path == path.Clean(r.URL.Path) {
			patience.Limit(w, 0) // an archive has more
			mux.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// ours tells whether a path is one of a substitute server's.
func ours(path string) bool {
	return path == "/nix-cache-info" || path == "/signing-key.pub" || strings.HasPrefix(path, "/nar/") ||
		strings.HasSuffix(path, suffix) && strings.Count(path, "/") == 1
}

const suffix = ".narinfo"

type publisher struct {
	kept   *outputs.Store
	farm   Farm
	signer Signer
}

func (p *publisher) serveInfo(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintf(w, "StoreDir: %s\nWantMassQuery: 0\nPriority: 100\n", storepath.DefaultDir)
}

func (p *publisher) serveKey(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintln(w, p.signer.Key().Public())
}

func (p *publisher) serveNarinfo(w http.ResponseWriter, r *http.Request) {
	hashPart := strings.TrimSuffix(r.PathValue("narinfo"), suffix)
	if item, err := storepath.DefaultDir.Object(hashPart + "-x"); err != nil || item.HashPart() != hashPart {
		notFound(w, r)
		return
	}
	kept, err := p.farm.Kept(r.Context(), hashPart, "")
	if err != nil {
		fail(w, r, err)
		return
	}
	info, err := describe(kept)
	if err == nil {
		err = info.Sign(p.signer.Key(), p.signer.Host)
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	believe(w, believed)
	w.Header().Set("Content-Type", narinfo.MediaType)
	_, _ = w.Write(info.Text())
}

// describe is what there is to say of an output, without a signature. Its
// System is not in it, as with guix publish.
func describe(k daemon.Kept) (*narinfo.Info, error) {
	info := &narinfo.Info{StorePath: k.Path, NarSize: k.Size, References: k.References, Deriver: k.Derivation,
		Archives: []narinfo.Archive{{URL: archive(k), Compression: k.Compression, FileSize: k.FileSize}}}
	digits, ok := strings.CutPrefix(k.Hash, "sha256:")
	hash, err := base32.Decode(digits)
	if err != nil || !ok || len(hash) != len(info.NarHash) {
		return nil, fmt.Errorf("the output %s of build %s has the hash %q, which is none", k.Name, k.Build, k.Hash)
	}
	copy(info.NarHash[:], hash)
	return info, nil
}

// archive is where an output's archive is, below the farm's URL.
func archive(k daemon.Kept) string {
	return "nar/" + k.Compression + "/" + k.Build + "/" + url.PathEscape(k.Path.Base())
}

func (p *publisher) serveArchive(w http.ResponseWriter, r *http.Request) {
	item, err := storepath.DefaultDir.Object(r.PathValue("item"))
	if err != nil {
		notFound(w, r)
		return
	}
	kept, err := p.farm.Kept(r.Context(), item.HashPart(), r.PathValue("build"))
	if err != nil {
		fail(w, r, err)
		return
	}
	f, meta, err := p.kept.Open(kept.Build, kept.Name)
	if err != nil {
		fail(w, r, err)
		return
	}
	defer f.Close()
	if kept.Path != item || meta.Hash != kept.Hash || meta.Compression != r.PathValue("compression") {
		notFound(w, r)
		return
	}
	patience.Limit(w, meta.FileSize)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Etag", `"`+strings.TrimPrefix(meta.Hash, "sha256:")+"-"+meta.Compression+`"`)
	http.ServeContent(w, r, "", time.Time{}, f)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	believe(w, missing)
	http.Error(w, "This farm does not keep "+r.URL.Path+".", http.StatusNotFound)
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody is there to read it
	case daemon.CodeOf(err) == daemon.NotFound, errors.Is(err, fs.ErrNotExist): // removed just now
		notFound(w, r)
	default:
		slog.Error("cannot serve a substitute", "path", r.URL.Path, "err", err)
		http.Error(w, "The farm cannot serve this; its log says why.", http.StatusInternalServerError)
	}
}

// believe tells how long the answer holds. Guix heeds it, also for what there
// is not.
func believe(w http.ResponseWriter, age time.Duration) {
	w.Header().Set("Cache-Control", fmt.Sprintf("max-age=%d", int(age.Seconds())))
}
