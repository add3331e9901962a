package scheduler

import (
	"math/bits"
	"slices"
)

// list is a list of numbers whose memory belongs to [lists]. It takes eight
// bytes where a slice takes 24, and holds no pointer. The zero value is empty.
type list struct {
	block uint32 // page number and place in the page
	n     int32
}

// lists is the shared memory of lists. A list of n numbers has a block of
// room(n) numbers; freed blocks wait, linked to one another, for the next list
// of their size.
type lists struct {
	pages     [][]int32
	page      uint32     // the page from which new blocks are cut
	cut       int        // how much of it is
	free      [64]uint32 // by size: a free block; zero if there is none
	freePages []uint32   // numbers of pages that are not there any more
}

const (
	pageBits = 16
	pageSize = 1 << pageBits
	// bigBlock is the size from which a block has a page of its own, as long
	// as itself.
	bigBlock = pageSize / 16
)

// room is the size of the block for n numbers: 1, 2, 3, 4, 6, 8, 12, 16, …
// A sixth is unused on average, and a list that grows to n copies 2n.
func room(n int32) int32 {
	k := bits.Len32(uint32(n - 1))
	if k >= 2 && n <= 3<<(k-2) {
		return 3 << (k - 2)
	}
	return 1 << k
}

// sizeIndex numbers what room returns.
func sizeIndex(size int32) int {
	k := bits.Len32(uint32(size - 1))
	if size == 1<<k {
		return 2 * k
	}
	return 2*k - 1
}

// get is the list as a slice, until the list changes.
func (l *lists) get(x list) []int32 {
	if x.n == 0 {
		return nil
	}
	return l.block(x.block, x.n)
}

// push appends a number.
func (l *lists) push(x *list, v int32) {
	if x.n == 0 || room(x.n) == x.n {
		l.move(x, room(x.n+1))
	}
	x.n++
	l.get(*x)[x.n-1] = v
}

// keep drops the numbers that are not to be kept.
func (l *lists) keep(x *list, keep func(int32) bool) {
	kept := int32(len(slices.DeleteFunc(l.get(*x), func(v int32) bool { return !keep(v) })))
	if kept == 0 {
		l.drop(x)
		return
	}
	if size := room(kept); size != room(x.n) {
		block := l.take(size)
		copy(l.block(block, kept), l.get(*x))
		l.release(x.block, room(x.n))
		x.block = block
	}
	x.n = kept
}

// drop empties a list and frees its memory.
func (l *lists) drop(x *list) {
	if x.n > 0 {
		l.release(x.block, room(x.n))
	}
	*x = list{}
}

// move gives a list a larger block.
func (l *lists) move(x *list, size int32) {
	block := l.take(size)
	if x.n > 0 {
		copy(l.block(block, x.n), l.get(*x))
		l.release(x.block, room(x.n))
	}
	x.block = block
}

func (l *lists) block(block uint32, n int32) []int32 {
	at := block & (pageSize - 1)
	return l.pages[block>>pageBits][at : at+uint32(n)]
}

// take finds a block of one of the sizes that room returns.
func (l *lists) take(size int32) uint32 {
	if size >= bigBlock {
		return l.newPage(int(size)) << pageBits
	}
	free := &l.free[sizeIndex(size)]
	if block := *free; block != 0 {
		*free = uint32(l.block(block, 1)[0])
		return block
	}
	if l.pages == nil || l.cut+int(size) > pageSize {
		l.page, l.cut = l.newPage(pageSize), 0
		if l.page == 0 {
			l.cut = 1 // zero is no block
		}
	}
	block := l.page<<pageBits | uint32(l.cut)
	l.cut += int(size)
	return block
}

func (l *lists) newPage(size int) uint32 {
	page := make([]int32, size)
	if last := len(l.freePages) - 1; last >= 0 {
		number := l.freePages[last]
		l.freePages = l.freePages[:last]
		l.pages[number] = page
		return number
	}
	l.pages = append(l.pages, page)
	return uint32(len(l.pages) - 1)
}

func (l *lists) release(block uint32, size int32) {
	if size >= bigBlock {
		number := block >> pageBits
		l.pages[number] = nil
		l.freePages = append(l.freePages, number)
		return
	}
	free := &l.free[sizeIndex(size)]
	l.block(block, 1)[0] = int32(*free)
	*free = block
}
