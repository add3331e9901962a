package report

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"

	"codeberg.org/tbfg/tbfg/daemon/account"
	"codeberg.org/tbfg/tbfg/daemon/durable"
)

// Static writes a report into a directory, to be published as it is. builds is
// the URL below which builds are shown, such as https://farm.example.org/build/;
// without it there are no links to them.
func Static(dir string, a *account.Account, builds string) error {
	if err := durable.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, write := range map[string]func(io.Writer) error{
		"index.html":   func(w io.Writer) error { return HTML(w, a, Links{Builds: builds}) },
		"feed.atom":    func(w io.Writer) error { return Atom(w, a, "") },
		"badge.svg":    func(w io.Writer) error { return Badge(w, a) },
		"account.json": func(w io.Writer) error { return writeJSON(w, a) },
		"account.csv":  func(w io.Writer) error { return CSV(w, a, sorted(a.Packages)) },
	} {
		if err := writeFile(filepath.Join(dir, name), write); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	return durable.WriteFile(name, text.Bytes(), 0o644)
}

func writeJSON(w io.Writer, a *account.Account) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(a)
}
