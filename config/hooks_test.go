package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	programHook = "[[hook]]\nname = \"mail\"\nevents = [\"build-failure\"]\ncommand = [\"/bin/mail\", \"me\"]\n"
	serviceHook = "[[hook]]\nname = \"data\"\nevents = [\"build-started\"]\n" +
		"data_service = { url = \"https://data.example/x\", build_server_id = 2, token_file = \"/etc/token\" }\n"
)

// hooksOf loads the text of a file.
func hooksOf(t *testing.T, text string) (Hooks, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "farm.toml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, "/var/lib/tbfg")
	return c.Hooks, err
}

func TestHooksAreRead(t *testing.T) {
	got, err := hooksOf(t, "parallel_hooks = 2\n"+programHook+serviceHook+"timeout = \"10s\"\nattempts = 3\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Hooks{Parallel: 2, Each: []Hook{
		{Name: "mail", Events: []string{"build-failure"}, Command: []string{"/bin/mail", "me"}},
		{Name: "data", Events: []string{"build-started"}, Timeout: Duration(10 * time.Second), Attempts: 3,
			DataService: DataService{URL: "https://data.example/x", ID: 2, TokenFile: "/etc/token"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hooks (-want +got)\n%s", diff)
	}
	if h := got.Each[0]; h.Limit() != 5*time.Minute || h.Tries() != 10 {
		t.Errorf("got the defaults %v and %d, want 5 minutes and 10", h.Limit(), h.Tries())
	}
	if h := got.Each[1]; h.Limit() != 10*time.Second || h.Tries() != 3 {
		t.Errorf("got %v and %d, want 10 seconds and 3", h.Limit(), h.Tries())
	}
}

func TestWithoutHooksFourCouldRun(t *testing.T) {
	got, err := hooksOf(t, "")
	if err != nil || got.Parallel != 4 || len(got.Each) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestHooksThatAreShownLoadBack(t *testing.T) {
	c := Default("/var/lib/tbfg")
	c.Each = []Hook{
		{Name: "mail", Events: []string{"build-failure"}, Command: []string{"/bin/mail", "me"}, Timeout: Duration(time.Second)},
		{Name: "data", Events: []string{"build-started"}, Attempts: 1, DataService: DataService{"http://data.example", 1, "/t"}},
	}
	text, err := c.TOML()
	if err != nil {
		t.Fatal(err)
	}
	got, err := hooksOf(t, string(text))
	if err != nil {
		t.Fatalf("got the error %v of\n%s", err, text)
	}
	if diff := cmp.Diff(c.Hooks, got); diff != "" {
		t.Errorf("hooks (-want +got)\n%s\n%s", diff, text)
	}
}

func TestHooksThatAreWrong(t *testing.T) {
	const (
		all     = "build-submitted, build-started, build-success, build-failure, build-canceled, build-missing-inputs, agent-status, package-broken, package-fixed, evaluation-done"
		ofBuild = "build-submitted, build-started, build-success, build-failure, build-canceled"
	)
	for _, test := range []struct{ name, old, new, want string }{
		{"no place", "", "parallel_hooks = 0\n", "parallel_hooks must be at least 1"},
		{"no name", `name = "mail"`, "", `the name of hook 1 must be of letters, digits and . _ - and begin with a letter or digit, not ""`},
		{"a name with a space", `"data"`, `"my data"`, `the name of hook 2 must be of letters, digits and . _ - and begin with a letter or digit, not "my data"`},
		{"a name twice", `"data"`, `"mail"`, `there are two hooks called "mail"`},
		{"no event", `events = ["build-failure"]`, "", `hook "mail": events must name at least one of ` + all},
		{"an event that does not exist", `"build-failure"`, `"build-failed"`, `hook "mail": there is no event "build-failed"; events are ` + all},
		{"an event twice", `"build-failure"`, `"build-failure", "build-failure"`, `hook "mail": events has "build-failure" twice`},
		{"an event that a data service does not take", `"build-started"`, `"agent-status"`,
			`hook "data": a data service cannot be told of agent-status, only of ` + ofBuild},
		{"nothing to be told", `command = ["/bin/mail", "me"]`, "", `hook "mail" must have either a command or a data_service`},
		{"an empty command", `["/bin/mail", "me"]`, "[]", `hook "mail" must have either a command or a data_service`},
		{"both", "data_service =", "command = [\"/bin/true\"]\ndata_service =", `hook "data" must have either a command or a data_service`},
		{"a program in the path", `"/bin/mail"`, `"mail"`, `hook "mail": command must begin with the absolute file name of a program, not "mail"`},
		{"a negative timeout", "command", "timeout = \"-1s\"\ncommand", `hook "mail": timeout must not be negative`},
		{"negative attempts", "command", "attempts = -1\ncommand", `hook "mail": attempts must not be negative`},
		{"a token in the URL", "/x", "/?token=s3cret",
			`hook "data": data_service.url must be an http:// or https:// URL without password, query or fragment`},
		{"a password in the URL", "https://", "https://me:s3cret@",
			`hook "data": data_service.url must be an http:// or https:// URL without password, query or fragment`},
		{"another URL", "https://", "ftp://", `hook "data": data_service.url must be an http:// or https:// URL without password, query or fragment`},
		{"no server", "build_server_id = 2, ", "", `hook "data": data_service.build_server_id must be a number from 1`},
		{"a relative token file", "/etc/token", "token", `hook "data": data_service.token_file must be an absolute file name, not "token"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := hooksOf(t, strings.Replace(programHook+serviceHook, test.old, test.new, 1))
			if err == nil {
				t.Fatal("got no error, want one")
			}
			_, got, _ := strings.Cut(err.Error(), "farm.toml: ")
			if got != test.want {
				t.Errorf("got the error\n%s\nwant\n%s", got, test.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the secret is in the error %v", err)
			}
		})
	}
}
