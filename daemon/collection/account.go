package collection

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/account"

	"github.com/klauspost/compress/gzip"
)

// cached is a collection's account, which stays true until something happens.
type cached struct {
	mu      sync.Mutex // guards what follows; held while it is worked out
	filled  bool
	id      int64  // row of the collection
	count   uint64 // of Happened, before the history was read
	at      time.Time
	history daemon.History
	account *account.Account // without options
	json    []byte
}

// Account is the account of a collection, as it is now. Nobody may change it.
func (k *Keeper) Account(ctx context.Context, name string, o account.Options) (*account.Account, error) {
	c, err := k.cached(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	if o == (account.Options{}) {
		return c.account, nil
	}
	return k.complete(account.Compute(c.history, o), c.account), nil
}

// Recent is Account, but up to a few seconds old while much happens.
func (k *Keeper) Recent(ctx context.Context, name string) (*account.Account, error) {
	c, err := k.cached(ctx, name, maxAge)
	if err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	return c.account, nil
}

const maxAge = 5 * time.Second

// JSON is Account without options as JSON.
func (k *Keeper) JSON(ctx context.Context, name string) ([]byte, error) {
	c, err := k.cached(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	if c.json == nil {
		c.json, err = encode(c.account)
	}
	return c.json, err
}

func encode(a *account.Account) ([]byte, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encode the account of %s: %w", a.Collection, err)
	}
	return body, nil
}

// cached brings the account of a collection up to date, unless it is younger
// than an age, and returns it locked.
func (k *Keeper) cached(ctx context.Context, name string, age time.Duration) (*cached, error) {
	k.mu.Lock()
	c := k.accounts[name]
	if c == nil {
		c = new(cached)
	}
	k.mu.Unlock()
	c.mu.Lock()
	count, _ := k.Coordinator.Happened()
	if c.filled && (c.count == count || time.Since(c.at) < age) {
		return c, nil
	}
	status, err := k.Coordinator.Collection(ctx, name)
	if err == nil {
		var before *daemon.History
		if c.filled && c.id == status.ID { // else it is another one of the name
			before = &c.history
		}
		c.history, err = k.Coordinator.History(ctx, status.ID, before)
		c.id = status.ID
	}
	if err != nil {
		c.filled = false
		c.mu.Unlock()
		k.mu.Lock()
		delete(k.accounts, name) // it may be gone
		k.mu.Unlock()
		return nil, err
	}
	a := account.Compute(c.history, account.Options{})
	a.Collection, a.Updated, a.Trouble, a.Updating = status.Name, status.Updated, status.Trouble, status.Updating
	c.account, c.json = k.complete(a, &a), nil
	c.filled, c.count, c.at = true, count, time.Now()
	k.mu.Lock()
	k.accounts[name] = c
	k.mu.Unlock()
	return c, nil
}

// complete adds to an account what the history does not say.
func (k *Keeper) complete(a account.Account, from *account.Account) *account.Account {
	a.Collection, a.Updated, a.Trouble, a.Updating = from.Collection, from.Updated, from.Trouble, from.Updating
	for i := range a.Failures[:min(len(a.Failures), maxLogEnds)] {
		if uuid := a.Failures[i].Build; uuid != "" {
			a.Failures[i].LogEnd = k.logEnd(uuid)
		}
	}
	return &a
}

// Limits of what an account shows of logs.
const (
	maxLogEnds  = 100
	logEndLines = 10
	logEndSize  = 2000     // bytes
	maxLogRead  = 64 << 20 // bytes of a log's text that are looked through for its end
)

// logEnd is the last lines of a failed build's log, which does not change;
// empty if it has none.
func (k *Keeper) logEnd(uuid string) string {
	if k.LogFile == nil {
		return ""
	}
	k.mu.Lock()
	text, known := k.logEnds[uuid]
	k.mu.Unlock()
	if known {
		return text
	}
	text, err := readEnd(k.LogFile(uuid))
	if err != nil {
		return "" // the log comes before the result; one that is gone is no news
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.logEnds) >= 10*maxLogEnds {
		clear(k.logEnds)
	}
	k.logEnds[uuid] = text
	return text
}

func readEnd(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	end := &tail{limit: logEndSize}
	if _, err := io.Copy(end, io.LimitReader(text, maxLogRead)); err != nil {
		return "", err
	}
	lines := strings.Split(end.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-logEndLines):], "\n"), nil
}

// Names are the names of all collections.
func (k *Keeper) Names(ctx context.Context) ([]string, error) {
	list, err := k.Coordinator.Collections(ctx)
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	return names, err
}
