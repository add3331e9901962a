package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the goldens")

const stateDir = "/var/lib/tbfg"

// load loads a text as a file that is called farm.toml in errors.
func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("farm.toml", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load("farm.toml", stateDir)
}

// Each case of testdata/bad is a file, and the lines that it is refused with.
func TestBadFiles(t *testing.T) {
	const divider = "\n---\n"
	files, err := filepath.Glob("testdata/bad/*.txt")
	if err != nil || len(files) < 30 {
		t.Fatalf("got the files %v, %v; want the bad ones", files, err)
	}
	for i, file := range files {
		files[i], err = filepath.Abs(file) // load changes the directory
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			toml, want, _ := strings.Cut(string(text), divider)
			_, err = load(t, toml)
			got := fmt.Sprintln(err)
			if err == nil {
				t.Fatalf("got no error, want one")
			}
			if *update {
				if err := os.WriteFile(file, []byte(toml+divider+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("error (-want +got)\n%s", diff)
			}
		})
	}
}

func TestGoodFiles(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		change     func(*Config) // of the defaults
	}{
		{"an empty file", "", func(*Config) {}},
		{"comments", "# nothing\n\n[agent] # here\n# nor there\n", func(*Config) {}},
		{"lists in the place of the default ones", "[coordinator]\nderivation_substitute_urls = []\nagent_listen = [\n  \"[::]:1\", # all\n  \"localhost:0\",\n]\n",
			func(c *Config) {
				c.Coordinator.DerivationURLs = []string{}
				c.Coordinator.AgentListen = []string{"[::]:1", "localhost:0"}
			}},
		{"dotted keys", "coordinator.setup_retry = \"1m30s\"\nagent.uuid = 'x'\n",
			func(c *Config) { c.Coordinator.SetupRetry, c.Agent.UUID = Duration(90*time.Second), "x" }},
		{"tables in a line", "front = { listen = [] }\n", func(c *Config) { c.Front.Listen = []string{} }},
		{"quoted keys", "\"log_level\" = \"debug\"\n['local_agent']\n\"enabled\" = true\n",
			func(c *Config) { c.LogLevel, c.LocalAgent.Enabled = "debug", true }},
		{"a whole number for any number", "[agent]\nmax_1min_load_average = 6\n", func(c *Config) { c.Agent.MaxLoad = 6 }},
		{"numbers in every way", "[coordinator]\nmax_log_size = 1_000\n[agent]\nmax_1min_load_average = 1e2\nmax_parallel_builds = 0x10\nmax_allocated_builds = +20\n",
			func(c *Config) {
				c.Coordinator.MaxLogSize, c.Agent.MaxLoad, c.Agent.MaxParallelBuilds, c.Agent.MaxAllocatedBuilds = 1000, 100, 16, 20
			}},
		{"the builder of each agent", "[local_agent]\nsystems = [\"x86_64-linux\", \"i686-linux\"]\n[agent]\nsystems = [\"aarch64-linux\"]\n",
			func(c *Config) {
				c.LocalAgent.Systems, c.Agent.Systems = []string{"x86_64-linux", "i686-linux"}, []string{"aarch64-linux"}
			}},
		{"Windows' ends of lines", "grace = \"0s\"\r\n[agent]\r\nname_is_not_here = 1\r\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := load(t, tt.text)
			if tt.change == nil {
				if err == nil || !strings.HasPrefix(err.Error(), "farm.toml:3:1: there is no key agent.name_is_not_here; ") {
					t.Fatalf("got the error %v, want it in line 3", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("got the error %v, want none", err)
			}
			want := Default(stateDir)
			tt.change(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("configuration (-want +got)\n%s", diff)
			}
		})
	}
}

func TestAFileThatIsNotThere(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := Load("farm.toml", stateDir)
	want := "read the configuration: open farm.toml: no such file or directory"
	if err == nil || err.Error() != want {
		t.Fatalf("got the error %v, want %s", err, want)
	}
}

// What "tbfg config show" prints is the manual of the file, and a file.
func TestTheDefaultsAsAFile(t *testing.T) {
	text, err := Default(stateDir).TOML()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/default.toml"
	if *update {
		if err := os.WriteFile(golden, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("defaults (-want +got)\n%s", diff)
	}
}

func TestWhatIsShownLoadsBack(t *testing.T) {
	full := Config{StateDir: "/a \"b\"\\c", LogLevel: "warn", PIDFile: "/run/é", Grace: Duration(time.Hour + time.Millisecond)}
	fill(t, reflect.ValueOf(&full).Elem())
	for name, conf := range map[string]Config{"defaults": Default(stateDir), "everything set": full} {
		text, err := conf.TOML()
		if err != nil {
			t.Fatal(err)
		}
		got, err := load(t, string(text))
		if err != nil {
			t.Fatalf("%s: got the error %v of\n%s", name, err, text)
		}
		if diff := cmp.Diff(conf, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// fill sets every field that is not set to something valid that is not its
// default.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		f := v.Field(i)
		switch name := v.Type().Field(i).Tag.Get("toml"); {
		case f.Kind() == reflect.Struct:
			fill(t, f)
		case f.Type() == reflect.TypeFor[[]Hook]():
			f.Set(reflect.ValueOf([]Hook{
				{Name: "mail", Events: []string{"build-failure"}, Command: []string{"/bin/mail", "me"}, Timeout: Duration(time.Second)},
				{Name: "data", Events: []string{"build-started"}, Attempts: 1, DataService: DataService{"http://data.example", 1, "/t"}},
			}))
		case f.Type() == reflect.TypeFor[[]DeclaredAgent]():
			f.Set(reflect.ValueOf([]DeclaredAgent{{Name: "bedok", Description: "text", Systems: []string{"x86_64-linux"}, Tags: []string{"k=v"}}, {Name: "marina"}}))
		case f.Type() == reflect.TypeFor[[]Collection]():
			f.Set(reflect.ValueOf([]Collection{
				{Name: "ours", Source: "guix", Guix: "/bin/guix", Channels: "/c.scm", LoadPath: []string{"/l"}, Manifests: []string{"/m.scm"},
					Packages: []string{"hello"}, Modules: []string{"gnu/packages/maths.scm"}, Team: "science", Systems: []string{"i686-linux"},
					Targets: []string{"aarch64-linux-gnu"}, Priority: -1, WithInputs: true, Schedule: "6h"},
				{Name: "all", Source: "data-service", URL: "https://data.example", Repository: "1", Branch: "b", Revision: "c"},
				{Name: "listed", Source: "file", File: "/drvs"},
			}))
		case !f.IsZero():
		case strings.HasSuffix(name, "urls"):
			f.Set(reflect.ValueOf([]string{"https://one.example", "http://two.example:80/x"}))
		case strings.HasSuffix(name, "listen"):
			f.Set(reflect.ValueOf([]string{"127.0.0.1:1", "[::1]:2"}))
		case f.Kind() == reflect.Slice:
			f.Set(reflect.ValueOf([]string{"x86_64-linux", "i686-linux"}))
		case name == "output_compression":
			f.SetString("zstd")
		case name == "coordinator", name == "bffe":
			f.SetString("https://" + name + ".example")
		case name == "client_socket" || name == "client_token_file":
			f.SetString("/run/" + name)
		case f.Kind() == reflect.String:
			f.SetString("text of " + name)
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.Type() == reflect.TypeFor[Duration]():
			f.Set(reflect.ValueOf(Duration(time.Minute + time.Duration(i)*time.Second)))
		case f.Kind() == reflect.Int || f.Kind() == reflect.Int64:
			f.SetInt(int64(7 + i))
		case f.Kind() == reflect.Float64:
			f.SetFloat(1.5)
		default:
			t.Fatalf("no value for %s", name)
		}
	}
}

func TestEveryKeyHasAComment(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type)
			}
			if isTables(f.Type) {
				walk(f.Type.Elem())
			}
			if f.Anonymous || f.Type.Kind() == reflect.Struct && f.Tag.Get("comment") == "" {
				continue // the comments of a table are those of its keys
			}
			comment := f.Tag.Get("comment")
			if f.Tag.Get("toml") == "" || !strings.HasSuffix(comment, ".") || len(comment) < 20 {
				t.Errorf("%s.%s: got the key %q and the comment %q, want both", typ.Name(), f.Name, f.Tag.Get("toml"), comment)
			}
		}
	}
	walk(reflect.TypeFor[Config]())
}

// A file with rubbish must be refused or read, whatever is in it.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{"", "a = 1", "[agent]\nuuid = 2025-08-13", "[[front]]", "front = {listen = [1, [2]]}", "\"\\u0000\" = ''", "a.b.c = {}",
		"[agent]\nsystems = [true, 07:32:00]", "[coordinator]\nmax_log_size = 0b1\ngrace = inf"} {
		f.Add(text)
	}
	file := filepath.Join(f.TempDir(), "farm.toml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := Load(file, stateDir)
		if err == nil && c.Validate() != nil {
			t.Errorf("%q: got no error, but %v", text, c.Validate())
		}
		if err != nil && !strings.HasPrefix(err.Error(), file+":") {
			t.Errorf("%q: got the error %q, want one with the file's name", text, err)
		}
	})
}
