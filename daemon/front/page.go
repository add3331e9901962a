package front

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var (
	pages = template.Must(template.New("").Funcs(template.FuncMap{
		"css":  func() template.CSS { return template.CSS(pageCSS) },
		"time": func(t time.Time) string { return t.UTC().Format(time.DateTime) },
		"iso":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}).Parse(pageHTML))

	// policy lets the page have its own style sheet and nothing else.
	policy = func() string {
		hash := sha256.Sum256([]byte(pageCSS))
		return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	}()
)

// render sends one of the templates of page.html.
func render(w http.ResponseWriter, status int, name string, data any) {
	text := execute(name, data)
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func execute(name string, data any) []byte {
	var text bytes.Buffer
	if err := pages.ExecuteTemplate(&text, name, data); err != nil {
		panic(err) // the template and its data do not fit
	}
	return text.Bytes()
}

// shown is how many builds the page lists.
const shown = 50

// page is the front page of a farm without a front end.
type page struct {
	logs *buildlog.Store
	farm Farm
}

// summary is what the page says.
type summary struct {
	Now     time.Time
	Trouble string
	Agents  []agentLine
	States  []daemon.State // the columns of the queue
	Queue   []queueLine
	Builds  []buildLine
}

type agentLine struct {
	Name, Description, Systems, Mode string
	Holds                            int
	Load                             string // in percent of the processors
	Seen                             time.Time
}

type queueLine struct {
	System string
	Counts []int // in the order of summary.States
}

type buildLine struct {
	daemon.Build
	Name  string // the derivation's, without its hash
	Agent string
	Log   bool // whether there is one, or one under way
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := summary{Now: time.Now(), States: daemon.States[:5]}
	agents, err := p.farm.Agents(r.Context())
	if err != nil {
		p.fail(w, err)
		return
	}
	builds, err := p.farm.Recent(r.Context(), shown)
	if err != nil {
		p.fail(w, err)
		return
	}
	if trouble := p.farm.Trouble(); trouble != nil {
		s.Trouble = trouble.Error()
	}
	names := make(map[string]string, len(agents))
	for _, a := range agents {
		line := newAgentLine(a)
		names[a.ID] = line.Name
		s.Agents = append(s.Agents, line)
	}
	queue := p.farm.Queue()
	for _, system := range slices.Sorted(maps.Keys(queue)) {
		line := queueLine{System: system}
		for _, state := range s.States {
			line.Counts = append(line.Counts, queue[system][state])
		}
		s.Queue = append(s.Queue, line)
	}
	for _, b := range builds {
		line := buildLine{Build: b, Name: strings.TrimSuffix(b.Derivation.Name(), ".drv"), Log: p.hasLog(b.UUID)}
		if line.Agent = names[b.Agent]; line.Agent == "" {
			line.Agent = b.Agent
		}
		s.Builds = append(s.Builds, line)
	}
	render(w, http.StatusOK, "farm", s)
}

func (p *page) fail(w http.ResponseWriter, err error) {
	slog.Error("cannot make the front page", "err", err)
	http.Error(w, "The farm could not be looked at; the coordinator's log says why.", http.StatusInternalServerError)
}

func newAgentLine(a daemon.Agent) agentLine {
	line := agentLine{Name: a.Name, Description: a.Description, Systems: strings.Join(a.Systems, " "), Mode: string(a.Mode),
		Holds: len(a.Allocated)}
	if line.Name == "" {
		line.Name = a.ID
	}
	if !a.Active {
		line.Mode = "inactive"
	}
	if s := a.Status; s != nil {
		line.Seen = s.Time
		if s.Processors > 0 {
			line.Load = fmt.Sprintf("%.0f %%", 100*s.Load1Min/float64(s.Processors))
		}
	}
	return line
}

func (p *page) hasLog(uuid string) bool {
	if _, live := p.logs.Live(uuid); live {
		return true
	}
	_, err := os.Stat(p.logs.File(uuid))
	return err == nil
}
