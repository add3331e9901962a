package history

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"

	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Handler serves a graph's derivations as a substitute server does.
func (g *Graph) Handler() (http.Handler, error) {
	mux := http.NewServeMux()
	for path, drv := range g.Known {
		archive, err := archive(drv.Bytes())
		if err != nil {
			return nil, fmt.Errorf("serve %s: %w", path, err)
		}
		info := narinfo.Info{StorePath: path, NarHash: sha256.Sum256(archive), NarSize: int64(len(archive)),
			References: references(g, path), Archives: []narinfo.Archive{{URL: "nar/" + path.Base(), Compression: "none"}}}
		mux.HandleFunc("GET /"+path.HashPart()+".narinfo", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", narinfo.MediaType)
			w.Write(info.Text())
		})
		mux.HandleFunc("GET /nar/"+path.Base(), func(w http.ResponseWriter, _ *http.Request) { w.Write(archive) })
	}
	return mux, nil
}

func references(g *Graph, path storepath.Path) (paths []storepath.Path) {
	for _, in := range g.Known[path].Inputs {
		paths = append(paths, in.Path)
	}
	return paths
}

// archive is a file as a store item.
func archive(data []byte) ([]byte, error) {
	var buffer bytes.Buffer
	w := nar.NewWriter(&buffer)
	if err := w.WriteHeader(&nar.Header{Type: nar.Regular, Size: int64(len(data))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}
