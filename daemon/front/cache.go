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
	read  time.Time
	begun int64 // what [buildlog.Store.Begun] said when no log was under way
}

func newCache() *cache { return &cache{at: make(map[entryKey]*list.Element)} }

// finished tells whether it is known that no log is under way, for a log that
// is here, because none began since somebody looked.
func (c *cache) finished(key entryKey, begun int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.at[key]
	return at != nil && at.Value.(*entry).begun == begun
}

// get is a log of that version, if it is here, for one who saw that none is
// under way. A log of another version is forgotten.
func (c *cache) get(key entryKey, now version, begun int64) (whole, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.at[key]
	if at == nil {
		return whole{}, false
	}
	e := at.Value.(*entry)
	if e.version != now {
		c.remove(at)
		return whole{}, false
	}
	e.read, e.begun = time.Now(), begun
	c.used.MoveToFront(at)
	return e.whole, true
}

func (c *cache) put(key entryKey, log whole, begun int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.at[key]; at != nil {
		c.remove(at)
	}
	c.at[key] = c.used.PushFront(&entry{key, log, time.Now(), begun})
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
