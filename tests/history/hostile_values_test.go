package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// values: messages that are well made and make no sense.
func (g *target) values() {
	for _, drv := range []string{"", "x", "/etc/passwd", "/gnu/store/../../etc/passwd", "/gnu/store/", "/gnu/store/.drv",
		"/gnu/store/00000000000000000000000000000000-../x.drv", "/gnu/store/00000000000000000000000000000000-x", "/gnu/store/0000000000000000000000000000000e-x.drv",
		"/gnu/store/00000000000000000000000000000000-" + strings.Repeat("n", 300) + ".drv", "/gnu/store/00000000000000000000000000000000-a\n.drv",
		"//gnu/store/00000000000000000000000000000000-x.drv", "/nix/../gnu/store/00000000000000000000000000000000-x.drv"} {
		for _, more := range []string{"", `, "uuid": "x"`, `, "priority": "high"`, `, "defer_until": "tomorrow"`} {
			body := fmt.Sprintf(`{"derivation": %s%s}`, quote(drv), more)
			g.fire("a bad derivation", attack{"POST", g.farm.ClientURL + "/builds", strings.NewReader(body), nil}, 400, 404)
		}
		body := fmt.Sprintf(`{"failure_reason": "missing_inputs", "missing_inputs": [%s]}`, quote(drv))
		g.fire("a bad input", attack{"POST", g.farm.AgentURL + "/build/" + g.build + "/report-setup-failure", strings.NewReader(body), g.asAttacker}, 400, 403)
	}
	good := "/gnu/store/00000000000000000000000000000000-x.drv"
	tags := strings.Repeat(`{"key": "a", "value": "b"},`, 10_000)
	for name, body := range map[string]string{
		"a derivation that is nowhere": `{"derivation": "` + good + `"}`,
		"a substitute URL of a file":   `{"derivation": "` + good + `", "substitute_urls": ["file:///etc"]}`,
		"a URL that is none":           `{"derivation": "` + good + `", "substitute_urls": ["http://%zz"]}`,
		"many URLs":                    `{"derivation": "` + good + `", "substitute_urls": [` + strings.Repeat(`"http://127.0.0.1:1",`, 5000) + `"http://127.0.0.1:1"]}`,
		"many tags":                    `{"derivation": "` + good + `", "tags": [` + tags + `{"key": "a"}]}`,
		"a tag without a key":          `{"derivation": "` + good + `", "tags": [{"value": "x"}]}`,
		"a UUID in capitals":           `{"derivation": "` + good + `", "uuid": "` + strings.ToUpper("7bdd2249-1214-431a-aa61-de4d907f1b32") + `"}`,
	} {
		g.fire(name, attack{"POST", g.farm.ClientURL + "/builds", strings.NewReader(body), nil}, 400, 404)
	}
	for name, body := range map[string]string{
		"no systems": `{}`, "many systems": `{"systems": [` + strings.Repeat(`"a",`, 1000) + `"b"]}`, "an empty system": `{"systems": [""]}`,
		"a long system": `{"systems": ["` + strings.Repeat("s", 10_000) + `"]}`, "a negative target": `{"systems": ["a"], "target_count": -1}`,
		"a huge target": `{"systems": ["a"], "target_count": 1000000}`,
	} {
		g.fire(name, attack{"POST", g.farm.AgentURL + "/agent/" + g.agent + "/fetch-builds", strings.NewReader(body), g.asAttacker}, 400)
	}
	for _, query := range []string{"limit=x", "limit=-1", "after_id=x", "after_id=" + nobody, "nonsense=1", "processed=perhaps",
		"created_after=yesterday", "priority_gt=high", "%zz", "a;b", "limit=99999999999999999999"} {
		g.fire("a bad query", attack{"GET", g.farm.ClientURL + "/builds?" + query, nil, nil}, 400, 404)
	}
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// crowd sends the worst of bodies several times at once where no credentials
// are asked for.
func (g *target) crowd() {
	// Sound JSON, in which three bytes each make a value of its own.
	body := `{"name": [` + strings.Repeat("[],", (wire.MaxBody-100)/3) + `[]]}`
	var group sync.WaitGroup
	var mu sync.Mutex // guards g
	for range 4 {
		group.Go(func() {
			resp, err := g.http.Post(g.farm.AgentURL+"/agent-session", "application/json", strings.NewReader(body))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				g.t.Errorf("a crowd at the enrolment: %v", err)
				return
			}
			resp.Body.Close()
			g.statuses[resp.StatusCode]++
			if resp.StatusCode/100 != 4 {
				g.t.Errorf("a crowd at the enrolment: got status %d, want 4xx", resp.StatusCode)
			}
		})
	}
	group.Wait()
}

// slow opens connections that begin a body and say no more, while others are
// served; it returns how many.
func (g *target) slow() (connections int) {
	const many = 100
	for range many {
		r, w := io.Pipe()
		g.t.Cleanup(func() { w.Close() })
		req, err := http.NewRequestWithContext(g.t.Context(), "POST", g.farm.ClientURL+"/builds", r)
		if err != nil {
			g.t.Fatal(err)
		}
		go func() {
			if resp, err := g.http.Do(req); err == nil {
				resp.Body.Close()
			}
		}()
		if _, err := io.Copy(w, bytes.NewReader([]byte(`{"derivation": "`))); err != nil {
			g.t.Fatal(err)
		}
	}
	began := time.Now()
	g.fire("among slow ones", attack{"GET", g.farm.ClientURL + "/build/" + nobody, nil, nil}, 404)
	if took := time.Since(began); took > 5*time.Second {
		g.t.Errorf("while others are slow an answer takes %v", took)
	}
	return many
}
