package machine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// rootDir is the root of the machine's files, on the host.
func (m *Machine) rootDir() string { return filepath.Join(m.dir, "root") }

// Path is the name on the host of a file in the machine. It follows symbolic
// links as the machine does, up to the last part of the name that exists:
// /var/run is a link to /run there, and the host's /run is not meant.
func (m *Machine) Path(inside string) string {
	root := m.rootDir()
	at := "/" // resolved so far, in the machine
	todo := strings.Split(inside, "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == "" || part == "." {
			continue
		}
		next := filepath.Join(at, part) // ".." cannot leave "/"
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil || links == 40 {
			at = next
			continue
		}
		links++
		if strings.HasPrefix(target, "/") {
			at = "/"
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return filepath.Join(root, at)
}

// Install copies a file of the host into the machine, mode included. It makes
// the directories on the way.
func (m *Machine) Install(hostFile, inside string) error {
	from, err := os.Open(hostFile)
	if err != nil {
		return fmt.Errorf("install %s: %w", inside, err)
	}
	defer from.Close()
	st, err := from.Stat()
	if err != nil {
		return fmt.Errorf("install %s: %w", inside, err)
	}
	return m.install(inside, from, st.Mode().Perm())
}

// WriteFile writes a file in the machine. It makes the directories on the way.
func (m *Machine) WriteFile(inside string, data []byte, mode os.FileMode) error {
	return m.install(inside, strings.NewReader(string(data)), mode)
}

// install replaces rather than overwrites, so that a program that
// runs in the machine can be replaced.
func (m *Machine) install(inside string, data io.Reader, mode os.FileMode) error {
	to := m.Path(inside)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("install %s: %w", inside, err)
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".install-")
	if err != nil {
		return fmt.Errorf("install %s: %w", inside, err)
	}
	_, err = io.Copy(f, data)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err == nil {
		err = os.Rename(f.Name(), to)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("install %s: %w", inside, err)
	}
	return nil
}
