// Package browser drives a headless Chromium over its DevTools protocol, as
// much of it as tests of pages need.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A Browser is a Chromium that runs.
type Browser struct {
	cmd  *exec.Cmd
	dir  string
	to   *os.File
	done chan struct{} // closed when nothing comes from it any more
	end  chan struct{} // closed when it has ended
	said bytes.Buffer  // until end

	mu      sync.Mutex // guards what follows, and writing to
	last    int
	waiting map[int]chan<- answer
}

type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// Start runs a Chromium until Close.
func Start() (*Browser, error) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("there is no Chromium: tests/packages installs it: %w", err)
	}
	dir, err := os.MkdirTemp("", "tbfg-browser-")
	if err != nil {
		return nil, err
	}
	// The browser reads commands from its file 3 and answers on 4.
	commands, to, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	from, answers, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	b := &Browser{dir: dir, to: to, done: make(chan struct{}), end: make(chan struct{}), waiting: make(map[int]chan<- answer)}
	b.cmd = exec.Command(program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
		"--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-extensions", "--hide-scrollbars", "--window-size=1200,900", "--user-data-dir="+dir, "about:blank")
	b.cmd.Env = append(os.Environ(), "HOME="+dir)
	b.cmd.ExtraFiles = []*os.File{commands, answers}
	b.cmd.Stderr = &b.said
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = b.cmd.Start()
	commands.Close()
	answers.Close()
	if err != nil {
		return nil, errors.Join(err, to.Close(), from.Close(), os.RemoveAll(dir))
	}
	go func() {
		_ = b.cmd.Wait()
		close(b.end)
	}()
	go b.listen(from)
	return b, nil
}

// listen hands out the answers. Events are of no interest here.
func (b *Browser) listen(from *os.File) {
	defer close(b.done)
	defer from.Close()
	for r := bufio.NewReader(from); ; {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(text[:len(text)-1], &a) != nil || a.ID == 0 {
			continue
		}
		b.mu.Lock()
		to := b.waiting[a.ID]
		delete(b.waiting, a.ID)
		b.mu.Unlock()
		if to != nil {
			to <- a
		}
	}
}

// call sends a command, to a page if session is not empty.
func (b *Browser) call(ctx context.Context, session, method string, params, result any) error {
	back := make(chan answer, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.waiting[id] = back
	text, err := json.Marshal(struct {
		ID      int    `json:"id"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
		Session string `json:"sessionId,omitempty"`
	}{id, method, params, session})
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("tell the browser %s: %w", method, err)
	}
	select {
	case a := <-back:
		if a.Error != nil {
			return fmt.Errorf("the browser refuses %s: %s", method, a.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-b.done:
		<-b.end
		return fmt.Errorf("the browser ended on %s: %s", method, b.said.String())
	case <-ctx.Done():
		return fmt.Errorf("the browser does not answer %s: %w", method, ctx.Err())
	}
}

// Close ends the browser, with all its processes.
func (b *Browser) Close() error {
	_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
	<-b.end
	b.to.Close()
	<-b.done
	// Its other processes may still be dying.
	var err error
	for range 50 {
		if err = os.RemoveAll(b.dir); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// A Page is a tab.
type Page struct {
	b       *Browser
	session string
}

type none struct{}

// Open opens a page at a URL, without waiting until it has loaded.
func (b *Browser) Open(ctx context.Context, url string) (*Page, error) {
	var target struct {
		ID string `json:"targetId"`
	}
	if err := b.call(ctx, "", "Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		return nil, err
	}
	var attached struct {
		Session string `json:"sessionId"`
	}
	err := b.call(ctx, "", "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached)
	if err != nil {
		return nil, err
	}
	p := &Page{b, attached.Session}
	return p, p.Go(ctx, url)
}

// Go leads the page to another URL.
func (p *Page) Go(ctx context.Context, url string) error {
	var result struct {
		Error string `json:"errorText"`
	}
	if err := p.b.call(ctx, p.session, "Page.navigate", map[string]any{"url": url}, &result); err != nil {
		return err
	}
	if result.Error != "" {
		return fmt.Errorf("open %s: %s", url, result.Error)
	}
	return nil
}

// Text is what the page shows.
func (p *Page) Text(ctx context.Context) (string, error) {
	var text string
	return text, p.Eval(ctx, "document.body ? document.body.innerText : ''", &text)
}

// Eval evaluates JavaScript in the page, and what it promises.
func (p *Page) Eval(ctx context.Context, script string, result any) error {
	var reply struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text   string `json:"text"`
			Object struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := p.b.call(ctx, p.session, "Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, &reply)
	if err != nil {
		return err
	}
	if reply.Exception != nil {
		return fmt.Errorf("%.200s: %s %s", script, reply.Exception.Text, reply.Exception.Object.Description)
	}
	return json.Unmarshal(reply.Result.Value, result)
}

// WaitFor waits until JavaScript in the page is true.
func (p *Page) WaitFor(ctx context.Context, script string) error {
	for {
		var is bool
		err := p.Eval(ctx, "!!("+script+")", &is)
		if is {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			text, _ := p.Text(context.WithoutCancel(ctx))
			return fmt.Errorf("wait for %s: %w, %w\nthe page shows: %s", script, ctx.Err(), err, text)
		}
	}
}

// keys are those that do something besides writing.
var keys = map[string]struct {
	code int
	text string
}{"Tab": {9, ""}, "Enter": {13, "\r"}}

// Press presses a key: one that writes a character, or Tab or Enter.
func (p *Page) Press(ctx context.Context, key string) error {
	params := map[string]any{"type": "keyDown", "key": key, "text": key}
	if k, ok := keys[key]; ok {
		params["windowsVirtualKeyCode"], params["code"], params["text"] = k.code, key, k.text
	}
	if err := p.b.call(ctx, p.session, "Input.dispatchKeyEvent", params, nil); err != nil {
		return err
	}
	params["type"] = "keyUp"
	delete(params, "text")
	return p.b.call(ctx, p.session, "Input.dispatchKeyEvent", params, nil)
}

// Dark shows the page as to those who prefer dark colours, or light ones.
func (p *Page) Dark(ctx context.Context, dark bool) error {
	value := "light"
	if dark {
		value = "dark"
	}
	return p.b.call(ctx, p.session, "Emulation.setEmulatedMedia", map[string]any{
		"features": []map[string]string{{"name": "prefers-color-scheme", "value": value}}}, nil)
}

// Width shows the page in a window of so many pixels.
func (p *Page) Width(ctx context.Context, pixels int) error {
	return p.b.call(ctx, p.session, "Emulation.setDeviceMetricsOverride", map[string]any{
		"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": pixels < 600}, nil)
}

// Screenshot writes what the page looks like to a PNG file.
func (p *Page) Screenshot(ctx context.Context, file string) error {
	var shot struct {
		Data string `json:"data"`
	}
	if err := p.b.call(ctx, p.session, "Page.captureScreenshot", none{}, &shot); err != nil {
		return err
	}
	image, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		return err
	}
	return os.WriteFile(file, image, 0o644)
}
