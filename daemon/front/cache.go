package front

import (
	"container/list"
	"sync"
	"time"
)

// Logs that were read lately stay in memory: the failure that everybody looks
// at is read and decompressed once. What nobody reads for a while goes.
const (
	cacheSize = 32 << 20
	cacheFile = 256 << 10 // of a larger file the kernel sends as much in one go
	cacheTime = time.Minute
	// lookAgain is how long a log may have been changed by another program
	// before that is seen. What the daemon changes itself is seen at once.
	lookAgain = time.Second
)

// A cache keeps logs as they lie and as text, at most cacheSize bytes of them,
// and forgets first those that were read least recently.
type cache struct {
	mu    sync.Mutex // guards what follows
	used  list.List  // of *entry, the latest first
	at    map[entryKey]*list.Element
	bytes int
	sweep *time.Timer // runs while there are entries
}

type entryKey struct {
	uuid string
	text bool
}

type entry struct {
	entryKey
	whole
	read    time.Time
	looked  time.Time // when it was the build's log, and none was under way
	changes int64     // what [buildlog.Store.Changes] said before that
}

func newCache() *cache { return &cache{at: make(map[entryKey]*list.Element)} }

// fresh is a log, if it is here, that need not be looked for: to look takes
// longer than all else that is done for a request but to send.
func (c *cache) fresh(key entryKey, changes int64) (whole, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.at[key]
	if at == nil {
		return whole{}, false
	}
	e, now := at.Value.(*entry), time.Now()
	if e.changes != changes || now.Sub(e.looked) >= lookAgain {
		return whole{}, false
	}
	e.read = now
	c.used.MoveToFront(at)
	return e.whole, true
}

// get is a log of that version, if it is here, for one who looked. A log of
// another version is forgotten.
func (c *cache) get(key entryKey, is version, changes int64) (whole, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.at[key]
	if at == nil {
		return whole{}, false
	}
	e := at.Value.(*entry)
	if e.version != is {
		c.remove(at)
		return whole{}, false
	}
	now := time.Now()
	e.read, e.looked, e.changes = now, now, changes
	c.used.MoveToFront(at)
	return e.whole, true
}

func (c *cache) put(key entryKey, log whole, changes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.at[key]; at != nil {
		c.remove(at)
	}
	now := time.Now()
	c.at[key] = c.used.PushFront(&entry{key, log, now, now, changes})
	c.bytes += cap(log.data)
	for c.bytes > cacheSize {
		c.remove(c.used.Back())
	}
	if c.sweep == nil {
		c.sweep = time.AfterFunc(cacheTime, c.forget)
	}
}

// remove takes an entry out. The caller holds mu.
func (c *cache) remove(at *list.Element) {
	e := c.used.Remove(at).(*entry)
	delete(c.at, e.entryKey)
	c.bytes -= cap(e.data)
}

// forget removes what was not read for a while.
func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for last := c.used.Back(); last != nil && time.Since(last.Value.(*entry).read) >= cacheTime; last = c.used.Back() {
		c.remove(last)
	}
	c.sweep = nil
	if c.used.Len() > 0 {
		c.sweep = time.AfterFunc(cacheTime, c.forget)
	}
}
