package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadSecret(t *testing.T) {
	const password = "IUwGrsEklfu0kVf_QquCOdzfa6-P52qPlcwBd5YB"
	file := filepath.Join(t.TempDir(), "passwd")
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		secret     string
		warning    string
		err        string
	}{
		{"a line", password + "\n", 0o600, password, "", ""},
		{"a line without an end", password, 0o400, password, "", ""},
		{"blanks around it", "  " + password + " \r\n\n", 0o600, password, "", ""},
		{"blanks in it", "pass word", 0o600, "pass word", "", ""},
		{"the largest one", strings.Repeat("x", 4096), 0o600, strings.Repeat("x", 4096), "", ""},
		{"readable by all", password, 0o644, password, "FILE can be read by others (mode 0644); run: chmod 600 FILE", ""},
		{"readable by the group", password, 0o640, password, "FILE can be read by others (mode 0640); run: chmod 600 FILE", ""},
		{"writable by others", password, 0o602, password, "FILE can be read by others (mode 0602); run: chmod 600 FILE", ""},
		{"nothing", "", 0o600, "", "", "read the secret: FILE must hold one line"},
		{"blank lines", " \n\n", 0o600, "", "", "read the secret: FILE must hold one line"},
		{"two lines", password + "\n" + password + "\n", 0o600, "", "", "read the secret: FILE must hold one line"},
		{"too long", strings.Repeat("x", 4097), 0o600, "", "", "read the secret: FILE must hold one line of at most 4096 bytes"},
	} {
		_ = os.Remove(file)
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, tt.mode); err != nil {
			t.Fatal(err)
		}
		secret, warning, err := ReadSecret(file)
		text := ""
		if err != nil {
			text = err.Error()
		}
		warning, text = strings.ReplaceAll(warning, file, "FILE"), strings.ReplaceAll(text, file, "FILE")
		if secret != tt.secret || warning != tt.warning || text != tt.err {
			t.Errorf("%s: got %q, %q, %q; want %q, %q, %q", tt.name, secret, warning, text, tt.secret, tt.warning, tt.err)
		}
	}
}

func TestReadSecretOfWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	for file, want := range map[string]string{
		dir:                             fmt.Sprintf("read the secret: read %s: is a directory", dir),
		filepath.Join(dir, "not-there"): fmt.Sprintf("read the secret: open %s/not-there: no such file or directory", dir),
	} {
		if _, _, err := ReadSecret(file); err == nil || err.Error() != want {
			t.Errorf("%s: got the error %v, want %s", file, err, want)
		}
	}
}
