package nar

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkDumpHash hashes a tree like that of a large package: 128 MB in
// 11,500 files. TBFG_BENCH_TREE names another one, so that the same tree can be
// given to "nix-store --dump TREE | sha256sum".
func BenchmarkDumpHash(b *testing.B) {
	root := os.Getenv("TBFG_BENCH_TREE")
	if root == "" {
		root = b.TempDir()
		content := bytes.Repeat([]byte("some text in a file\n"), 4096)
		for i := range 115 {
			dir := filepath.Join(root, fmt.Sprintf("%03d", i))
			if err := os.Mkdir(dir, 0o755); err != nil {
				b.Fatal(err)
			}
			for j := range 100 {
				name := filepath.Join(dir, fmt.Sprintf("%03d", j))
				if err := os.WriteFile(name, content[:j*225], 0o644); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	_, size, err := Hash(root)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Hash(root); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	words := []string{magic, "(", "type", "directory"}
	for i := range 1000 {
		words = append(words, "entry", "(", "name", fmt.Sprintf("%04d", i), "node",
			"(", "type", "regular", "contents", string(make([]byte, 11_000)), ")", ")")
	}
	data := encode(append(words, ")")...)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	buf := make([]byte, 64<<10)
	for b.Loop() {
		archive := NewReader(bytes.NewReader(data))
		h := sha256.New()
		for {
			if _, err := archive.Next(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
			io.CopyBuffer(h, archive, buf)
		}
	}
}
