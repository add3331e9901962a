package scheduler

import "iter"

// ids tells by the database's number of a build or output its number here. The
// database numbers them one after the other, so that most of a page is used:
// that takes a fifth of what a map takes.
type ids struct {
	pages map[int64]*idPage
	n     int
}

const (
	idBits = 6
	idPart = 1 << idBits
)

type idPage struct {
	used    int
	numbers [idPart]int32 // complements; zero is none
}

// get is the number of an id; known is false if there is none.
func (x *ids) get(id int64) (number int32, known bool) {
	if page := x.pages[id>>idBits]; page != nil {
		if v := page.numbers[id&(idPart-1)]; v != 0 {
			return ^v, true
		}
	}
	return 0, false
}

// set adds an id that is not known.
func (x *ids) set(id int64, number int32) {
	if x.pages == nil {
		x.pages = make(map[int64]*idPage)
	}
	page := x.pages[id>>idBits]
	if page == nil {
		page = new(idPage)
		x.pages[id>>idBits] = page
	}
	page.numbers[id&(idPart-1)] = ^number
	page.used++
	x.n++
}

// drop forgets an id that is known.
func (x *ids) drop(id int64) {
	page := x.pages[id>>idBits]
	page.numbers[id&(idPart-1)] = 0
	x.n--
	if page.used--; page.used == 0 {
		delete(x.pages, id>>idBits)
	}
}

// all are all ids with their numbers, in no order.
func (x *ids) all() iter.Seq2[int64, int32] {
	return func(yield func(int64, int32) bool) {
		for first, page := range x.pages {
			for i, v := range page.numbers {
				if v != 0 && !yield(first<<idBits|int64(i), ^v) {
					return
				}
			}
		}
	}
}
