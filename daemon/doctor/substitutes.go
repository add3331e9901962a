package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Server is a substitute server to be looked at.
type Server struct {
	URL    string
	Keys   []string         // that the guix-daemon accepts; nil if they cannot be known
	Sample []storepath.Path // what it might have, to see who signs it
}

// maxSkew is how far two clocks may be apart before people wonder at times,
// and servers at requests.
const maxSkew = 2 * time.Minute

// Substitutes looks whether a substitute server answers, whether the
// guix-daemon here accepts its signatures, and, in passing, at the clock.
func Substitutes(ctx context.Context, s Server) []Finding {
	check := "substitutes"
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	text, head, err := get(ctx, strings.TrimRight(s.URL, "/")+"/nix-cache-info")
	if err != nil {
		return []Finding{wrong(check, err.Error(), "is the URL right, and the network there? What is on this server alone cannot be had")}
	}
	if !strings.Contains(text, "StoreDir: "+string(storepath.DefaultDir)) {
		return []Finding{wrong(check, s.URL+" does not serve "+string(storepath.DefaultDir), "name another server")}
	}
	findings := []Finding{signer(ctx, check, s)}
	if date, err := http.ParseTime(head.Get("Date")); err == nil {
		// The answer has whole seconds and took its time.
		if skew := time.Since(date); skew > maxSkew+time.Since(began) || skew < -maxSkew {
			findings = append(findings, doubt("clock", fmt.Sprintf("it is %v off that of %s", skew.Round(time.Second), s.URL),
				"set this machine's clock: run an NTP service"))
		}
	}
	return findings
}

// signer looks who signs what a server has.
func signer(ctx context.Context, check string, s Server) Finding {
	for _, path := range s.Sample {
		text, _, err := get(ctx, strings.TrimRight(s.URL, "/")+"/"+path.HashPart()+".narinfo")
		if err != nil {
			continue
		}
		info, err := narinfo.Parse([]byte(text))
		if err != nil {
			return wrong(check, fmt.Sprintf("%s answers nonsense for %s: %v", s.URL, path, err), "tell who runs that server")
		}
		key := info.Key()
		switch {
		case key == "":
			return wrong(check, s.URL+" does not sign what it has", "the guix-daemon takes nothing from there: name another server")
		case s.Keys == nil:
			return doubt(check, s.URL+" answers and signs; "+narinfo.ACL()+" cannot be read to see whether its key is accepted", "run this as root")
		case !slices.Contains(s.Keys, key):
			return wrong(check, fmt.Sprintf("%s signs with a key that the guix-daemon does not accept (%.16s…)", s.URL, key),
				"get that server's key and run: guix archive --authorize < KEY.pub")
		}
		return fine(check, "%s answers; its key is authorized", s.URL)
	}
	return fine(check, "%s answers; nothing to see its key by", s.URL)
}

// get reads a small page.
func get(ctx context.Context, url string) (text string, head http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%s did not answer within %v", url, limit)
		}
		return "", nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, narinfo.MaxSize))
	if err != nil {
		return "", nil, fmt.Errorf("read %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return string(body), resp.Header, nil
}
