package scheduler

// slab keeps many values of one type and names them by small numbers, which
// take half the room of pointers and mean nothing to the garbage collector.
// It grows by pages: nothing moves, and a pointer into it stays good until
// the value is removed.
type slab[T any] struct {
	pages []*[slabPage]T
	used  int32   // numbers below were given out at some time
	free  []int32 // those of them that may be given out again
}

const (
	slabBits = 10
	slabPage = 1 << slabBits
)

func (s *slab[T]) at(i int32) *T { return &s.pages[i>>slabBits][i&(slabPage-1)] }

// add makes room for a value, which is zero.
func (s *slab[T]) add() (int32, *T) {
	if last := len(s.free) - 1; last >= 0 {
		i := s.free[last]
		s.free = s.free[:last]
		return i, s.at(i)
	}
	i := s.used
	if int(i) == len(s.pages)*slabPage {
		s.pages = append(s.pages, new([slabPage]T))
	}
	s.used++
	return i, s.at(i)
}

func (s *slab[T]) remove(i int32) {
	var zero T
	*s.at(i) = zero
	s.free = append(s.free, i)
}
