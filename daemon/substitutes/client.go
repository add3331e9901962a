package substitutes

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A Client fetches store items. The zero Client is ready for use, by several
// goroutines at once.
type Client struct {
	// HTTP makes the requests; nil stands for a client with this
	// package's own time limits.
	HTTP *http.Client

	// Store is the store directory; "" stands for /gnu/store.
	Store storepath.Dir

	// Check refuses a narinfo by an error, for instance because of its
	// signature; nil accepts all.
	Check func(*narinfo.Info) error

	// Stall is how long a server may take to answer, and then to deliver
	// each further 64 KiB; 0 stands for a minute.
	Stall time.Duration
}

// maxDerivation is the size of the largest derivation that is fetched. Those
// of Guix have some hundred kilobytes at most.
const maxDerivation = 32 << 20

// Narinfo asks the servers in their order for the narinfo of p. It returns
// the first good one, and which of urls it is from.
func (c *Client) Narinfo(ctx context.Context, urls []string, p storepath.Path) (*narinfo.Info, string, error) {
	var info *narinfo.Info
	var from string
	err := c.each(ctx, urls, p, func(raw string, base *url.URL) (err error) {
		from = raw
		info, err = c.narinfo(ctx, base, p)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return info, from, nil
}

// Open starts the download of the archive of info from the server with the
// substitute URL base, and returns the uncompressed archive. The caller closes
// it. Reading returns io.EOF if and only if all that was read is what info
// promises, by size and hash; until then nothing of it should be relied on.
func (c *Client) Open(ctx context.Context, base string, info *narinfo.Info) (io.ReadCloser, error) {
	var archive *stream
	err := c.each(ctx, []string{base}, info.StorePath, func(_ string, base *url.URL) (err error) {
		archive, err = c.open(ctx, base, info)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &named{archive, info.StorePath}, nil
}

// Derivation fetches the derivation p, a single file, and returns its bytes.
// If a server that has it does not deliver, the next one is asked.
func (c *Client) Derivation(ctx context.Context, urls []string, p storepath.Path) ([]byte, error) {
	if !p.IsDerivation() {
		return nil, fmt.Errorf("fetch %s: it is not a derivation", p)
	}
	var data []byte
	err := c.each(ctx, urls, p, func(_ string, base *url.URL) error {
		info, err := c.narinfo(ctx, base, p)
		if err != nil {
			return err
		}
		archive, err := c.open(ctx, base, info)
		if err != nil {
			return err
		}
		defer archive.Close()
		data, err = readFile(archive, min(maxDerivation, info.NarSize))
		return at(archive.url, err)
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// each calls try for one server after the other until one has succeeded. If
// none does, the failures decide the error.
func (c *Client) each(ctx context.Context, urls []string, p storepath.Path, try func(raw string, base *url.URL) error) error {
	store := c.Store
	if store == "" {
		store = storepath.DefaultDir
	}
	if _, err := store.Parse(string(p)); err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	var failures []error
	for _, raw := range urls {
		base, err := parseBase(raw)
		if err == nil {
			err = try(raw, base)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil { // whatever err says, this is why
			return fmt.Errorf("fetch %s: %w", p, context.Cause(ctx))
		}
		failures = append(failures, err)
	}
	return outcome(p, urls, failures)
}

// narinfo asks one server.
func (c *Client) narinfo(ctx context.Context, base *url.URL, p storepath.Path) (*narinfo.Info, error) {
	u := base.JoinPath(p.HashPart() + ".narinfo")
	answer, err := c.get(ctx, u, narinfo.MaxSize)
	if err != nil {
		return nil, at(u, err)
	}
	defer answer.Close()
	data, err := io.ReadAll(answer)
	if err != nil {
		return nil, at(u, err)
	}
	info, err := narinfo.Parse(data)
	if err != nil {
		// Rather the page of a proxy or half an answer than what the
		// server will always say.
		return nil, at(u, unavailable(err))
	}
	if info.StorePath != p {
		return nil, at(u, fmt.Errorf("the narinfo is that of %s", info.StorePath))
	}
	if c.Check != nil {
		if err := c.Check(info); err != nil {
			return nil, at(u, err)
		}
	}
	return info, nil
}

// readFile reads an archive that consists of one regular file, to its end.
func readFile(archive io.Reader, limit int64) ([]byte, error) {
	in := bufio.NewReader(archive)
	files := nar.NewReader(in)
	h, err := files.Next()
	if err != nil {
		return nil, err
	}
	if h.Type != nar.Regular {
		return nil, fmt.Errorf("it is a %v, not a regular file", h.Type)
	}
	if h.Size > limit {
		return nil, fmt.Errorf("the file has %d bytes, more than %d", h.Size, limit)
	}
	data := make([]byte, h.Size)
	if _, err := io.ReadFull(files, data); err != nil {
		return nil, err
	}
	if _, err := files.Next(); err != io.EOF {
		return nil, err
	}
	// Only the end of the stream says that the hash is right.
	switch _, err := in.ReadByte(); err {
	case io.EOF:
		return data, nil
	case nil:
		return nil, errors.New("something follows the archive")
	default:
		return nil, err
	}
}
