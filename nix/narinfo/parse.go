package narinfo

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Parse reads a narinfo. It does not look at the signature.
//
// It is stricter than Guix where leniency would be of use only to somebody
// who wants two programs to read one text differently: a key that can be there
// only once is not there twice.
func Parse(data []byte) (*Info, error) {
	info, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("parse narinfo: %w", err)
	}
	return info, nil
}

func parse(data []byte) (*Info, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("it is longer than %d bytes", MaxSize)
	}
	p := parser{values: make(map[string]string)}
	if err := p.lines(data); err != nil {
		return nil, err
	}
	info := &Info{Archives: p.archives, Signature: p.values["Signature"]}
	if p.signed {
		info.signed = bytes.Clone(data[:p.signature])
	}
	return info, p.interpret(info)
}

type parser struct {
	values    map[string]string // of the keys that are there only once
	archives  []Archive
	signature int  // where the line of the signature starts
	signed    bool // there is one, and it is for what it must be for
}

// lines splits the text into keys and values, as recutils->alist of
// guix/records.scm does: the record ends at an empty line.
func (p *parser) lines(data []byte) error {
	text := string(data)
	begun, known := false, false
	for rest := text; rest != ""; {
		start := len(text) - len(rest)
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		switch {
		case line == "" && begun:
			return nil
		case line == "" || line[0] == '#':
			continue
		case line[0] == '+': // a further line of the value
			if !begun || known {
				return errors.New("a value has several lines")
			}
			continue
		}
		begun = true
		key, value, ok := strings.Cut(line, ":")
		if !ok || key == "" {
			return fmt.Errorf("a line without a key: %q", clip(line))
		}
		var err error
		if known, err = p.field(key, strings.TrimLeft(value, " \t")); err != nil {
			return err
		}
		if key == "Signature" {
			p.signature = start
			p.signed = p.complete() && strings.Index(text, "Signature:") == start
		}
	}
	return nil
}

// complete tells whether what has been read so far holds all that a
// signature must be for.
func (p *parser) complete() bool {
	for _, key := range []string{"StorePath", "NarHash", "References"} {
		if _, ok := p.values[key]; !ok {
			return false
		}
	}
	return true
}

// field takes up a line, and tells whether it knows the key.
func (p *parser) field(key, value string) (known bool, err error) {
	switch key {
	case "StorePath", "NarHash", "NarSize", "References", "Deriver", "Signature":
		if _, ok := p.values[key]; ok {
			return true, fmt.Errorf("%s is there twice", key)
		}
		p.values[key] = value
		return true, nil
	case "URL":
		if len(p.archives) == maxArchives {
			return true, fmt.Errorf("there are more than %d archives", maxArchives)
		}
		if value == "" {
			return true, errors.New("a URL is empty")
		}
		p.archives = append(p.archives, Archive{URL: value})
		return true, nil
	case "Compression", "FileSize":
	default:
		return false, nil
	}
	// What follows a URL belongs to it. Pairing the first URL with the first
	// size, as Guix does, goes wrong when only some sizes are given.
	if len(p.archives) == 0 {
		return true, fmt.Errorf("%s is there before any URL", key)
	}
	archive := &p.archives[len(p.archives)-1]
	if key == "Compression" {
		if archive.Compression != "" {
			return true, errors.New("a URL has two compressions")
		}
		archive.Compression = value
		return true, nil
	}
	if archive.FileSize != 0 {
		return true, errors.New("a URL has two sizes")
	}
	// A hint that is not signed: what is no size counts as not given.
	archive.FileSize, _ = parseSize(value)
	return true, nil
}

// interpret turns the values into the fields of info.
func (p *parser) interpret(info *Info) (err error) {
	for _, key := range []string{"StorePath", "NarHash", "NarSize", "References"} {
		if _, ok := p.values[key]; !ok {
			return fmt.Errorf("%s is missing", key)
		}
	}
	if info.StorePath, err = storepath.Parse(p.values["StorePath"]); err != nil {
		return err
	}
	digits, ok := strings.CutPrefix(p.values["NarHash"], hashAlgorithm)
	if !ok || len(digits) != base32.EncodedLen(len(info.NarHash)) {
		return fmt.Errorf("NarHash %q is not a SHA-256 hash in base 32", clip(p.values["NarHash"]))
	}
	hash, err := base32.Decode(digits)
	if err != nil {
		return err
	}
	copy(info.NarHash[:], hash)
	if info.NarSize, err = parseSize(p.values["NarSize"]); err != nil {
		return err
	}
	store := info.StorePath.Dir()
	references := strings.Fields(p.values["References"])
	if len(references) > maxReferences {
		return fmt.Errorf("there are more than %d references", maxReferences)
	}
	for _, base := range references {
		ref, err := store.Object(base)
		if err != nil {
			return err
		}
		info.References = append(info.References, ref)
	}
	if base := p.values["Deriver"]; base != "" {
		info.Deriver, err = store.Object(base)
	}
	return err
}

// parseSize reads a number of bytes, which is positive.
func parseSize(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a size", clip(s))
	}
	return int64(n), nil
}

// clip keeps what a stranger sent from filling a log line.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
