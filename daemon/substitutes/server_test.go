package substitutes

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/nix/lzip"
	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	hello    storepath.Path = "/gnu/store/2nfg943asrl9dv64zrr1a4kpb25mfafd-hello-2.12.2.drv"
	greeting storepath.Path = "/gnu/store/5jyh2ay6ibz9cp0swkvdyqxqlgvrbylj-libstdc++-14.3.0.drv"
)

// A server is a substitute server of one item, real but for its content.
type server struct {
	*httptest.Server
	mux     *http.ServeMux
	archive []byte // the item's, not compressed
	info    narinfo.Info
}

// newServer serves p, a file with the given content, in these compressions.
// edit may change what the narinfo says.
func newServer(t *testing.T, p storepath.Path, content string, compressions []string, edit func(*narinfo.Info)) *server {
	t.Helper()
	s := &server{mux: http.NewServeMux(), archive: archiveOf(t, content)}
	s.Server = httptest.NewServer(s.mux)
	t.Cleanup(s.Close)
	s.info = narinfo.Info{
		StorePath: p,
		NarHash:   sha256.Sum256(s.archive),
		NarSize:   int64(len(s.archive)),
	}
	for _, c := range compressions {
		packed := compress(t, c, s.archive)
		path := "nar/" + c + "/" + strings.ReplaceAll(p.Base(), "+", "%2B")
		s.info.Archives = append(s.info.Archives, narinfo.Archive{URL: path, Compression: c, FileSize: int64(len(packed))})
		s.mux.HandleFunc("/nar/"+c+"/"+p.Base(), func(w http.ResponseWriter, r *http.Request) { w.Write(packed) })
	}
	if edit != nil {
		edit(&s.info)
	}
	s.mux.HandleFunc("/"+p.HashPart()+".narinfo", func(w http.ResponseWriter, r *http.Request) {
		w.Write(s.info.Text())
	})
	return s
}

// answering is a server that always answers the same way.
func answering(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

// status is a server that always answers with this code.
func status(t *testing.T, code int) *httptest.Server {
	return answering(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) })
}

func archiveOf(t testing.TB, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := nar.NewWriter(&b)
	w.WriteHeader(&nar.Header{Type: nar.Regular, Size: int64(len(content))})
	io.WriteString(w, content)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compress(t testing.TB, compression string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch compression {
	case "none":
		return data
	case "gzip":
		w = gzip.NewWriter(&b)
	case "lzip":
		w = lzip.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
