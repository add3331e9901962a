package scheduler

import "container/heap"

// queue is a heap of builds, each of which knows its place in it.
type queue struct {
	builds []*build
	less   func(a, b *build) bool
}

// sooner is the order in which ready builds are handed out: by priority,
// then by age.
func sooner(a, b *build) bool {
	if a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	return a.ID < b.ID
}

// earlier is the order in which deferred builds become ready.
func earlier(a, b *build) bool { return a.NotBefore.Before(b.NotBefore) }

func (q *queue) add(b *build) {
	b.queue = q
	heap.Push(q, b)
}

func (q *queue) remove(b *build) {
	heap.Remove(q, b.at)
	b.queue = nil
}

func (q *queue) first() *build {
	if len(q.builds) == 0 {
		return nil
	}
	return q.builds[0]
}

// The methods of heap.Interface.

func (q *queue) Len() int           { return len(q.builds) }
func (q *queue) Less(i, j int) bool { return q.less(q.builds[i], q.builds[j]) }
func (q *queue) Swap(i, j int) {
	q.builds[i], q.builds[j] = q.builds[j], q.builds[i]
	q.builds[i].at, q.builds[j].at = i, j
}
func (q *queue) Push(x any) {
	b := x.(*build)
	b.at = len(q.builds)
	q.builds = append(q.builds, b)
}
func (q *queue) Pop() any {
	last := len(q.builds) - 1
	b := q.builds[last]
	q.builds[last] = nil
	q.builds = q.builds[:last]
	return b
}
