package collection

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/account"
)

// The example in docs/examples mails what hooks are told.
func TestTheExampleMails(t *testing.T) {
	dir := t.TempDir()
	sendmail, mail := filepath.Join(dir, "sendmail"), filepath.Join(dir, "mail")
	if err := os.WriteFile(sendmail, []byte(shebang(t)+"exec cat >"+mail+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	a := &account.Account{Collection: "science", Evaluation: 1, Evaluations: []account.Evaluation{{Number: 1, Revision: "7c2f37388796"}},
		Failures: []account.Failure{{Name: "openblas-0.3.29"}}}
	e := event(a, &account.Package{Package: "python-numpy", System: "x86_64-linux", State: account.Blocked, BlockedBy: []int{0},
		Derivation: "/gnu/store/0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix-python-numpy-1.26.drv", Error: "a \"quoted\"\nError: text"})
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	hook := exec.Command("../../docs/examples/mail-packages", "team@example.org")
	hook.Env = append(os.Environ(), "SENDMAIL="+sendmail)
	hook.Stdin = bytes.NewReader(text)
	if out, err := hook.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(mail)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"To: team@example.org\n", "Subject: [science] python-numpy broken (x86_64-linux)\n", "Revision:   7c2f37388796\n",
		`"blocked_by":["openblas-0.3.29"]`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("got the mail\n%s\nwant %q in it", got, want)
		}
	}
	if head, _, _ := strings.Cut(string(got), "\n\n"); strings.Count(head, "\n") != 2 {
		t.Errorf("got the head\n%s\nwant three lines", head)
	}
}
