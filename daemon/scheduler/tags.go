package scheduler

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
)

// agentKey is the key of the tags that every agent has: its ID and its name.
const agentKey = "agent"

// tagSets keeps each set of tags that builds have once; the builds of one
// submission share theirs. Only some keys are relevant: those that an agent
// uses. Sets that agree in the relevant tags are of one class.
type tagSets struct {
	sets     slab[tagSet] // the first one is the empty set
	byText   map[string]int32
	last     int32    // that was added; mostly the next one is the same
	relevant []string // sorted
	classes  map[string]*class
}

type tagSet struct {
	text   string // as in [textOf]
	tags   []daemon.Tag
	builds int // that have it
	class  *class
}

// class is the relevant tags of a build: whether an agent may have the build
// depends on nothing else.
type class struct {
	text string
	tags []daemon.Tag // sorted
	sets int          // of that class
}

func newTagSets() tagSets {
	t := tagSets{
		byText:   make(map[string]int32),
		relevant: []string{agentKey},
		classes:  make(map[string]*class),
	}
	t.add(nil) // for ever
	return t
}

// add finds the number of a set for one more build.
func (t *tagSets) add(tags []daemon.Tag) int32 {
	if len(tags) == 0 && t.sets.used > 0 {
		return 0
	}
	if t.last != 0 {
		if set := t.sets.at(t.last); set.builds > 0 && slices.Equal(tags, set.tags) {
			set.builds++
			return t.last
		}
	}
	tags = slices.Clone(tags)
	slices.SortFunc(tags, func(a, b daemon.Tag) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value))
	})
	tags = slices.Clip(slices.Compact(tags))
	text := textOf(tags)
	i, known := t.byText[text]
	if !known {
		var set *tagSet
		i, set = t.sets.add()
		set.text, set.tags = text, tags
		t.byText[text] = i
		t.classify(set)
	}
	t.sets.at(i).builds++
	t.last = i
	return i
}

// drop counts one build less that has a set.
func (t *tagSets) drop(i int32) {
	if i == 0 {
		return
	}
	set := t.sets.at(i)
	if set.builds--; set.builds == 0 {
		delete(t.byText, set.text)
		t.declassify(set)
		t.sets.remove(i)
	}
}

func (t *tagSets) class(i int32) *class { return t.sets.at(i).class }

func (t *tagSets) classify(set *tagSet) {
	tags := slices.DeleteFunc(slices.Clone(set.tags), func(tag daemon.Tag) bool {
		_, is := slices.BinarySearch(t.relevant, tag.Key)
		return !is
	})
	text := textOf(tags)
	c := t.classes[text]
	if c == nil {
		c = &class{text: text, tags: tags}
		t.classes[text] = c
	}
	c.sets++
	set.class = c
}

func (t *tagSets) declassify(set *tagSet) {
	if set.class.sets--; set.class.sets == 0 {
		delete(t.classes, set.class.text)
	}
	set.class = nil
}

// textOf is the same for equal sets and differs for others.
func textOf(tags []daemon.Tag) string {
	var text []byte
	for _, tag := range tags {
		for _, part := range []string{tag.Key, tag.Value} {
			text = binary.AppendUvarint(text, uint64(len(part)))
			text = append(text, part...)
		}
	}
	return string(text)
}

// learn takes note of the keys that an agent uses. If thereby others become
// relevant, all ready builds are sorted into their classes anew.
func (s *Scheduler) learn(agent *Agent) {
	if len(agent.Tags) == 0 && len(s.agents[agent.ID]) == 0 {
		return
	}
	keys := make(map[string]bool, len(agent.Tags))
	for _, tag := range agent.Tags {
		keys[tag.Key] = true
	}
	sorted := slices.Sorted(maps.Keys(keys))
	if slices.Equal(sorted, s.agents[agent.ID]) {
		return
	}
	if s.agents[agent.ID] = sorted; len(sorted) == 0 {
		delete(s.agents, agent.ID)
	}
	keys = map[string]bool{agentKey: true}
	for _, its := range s.agents {
		for _, key := range its {
			keys[key] = true
		}
	}
	if sorted = slices.Sorted(maps.Keys(keys)); !slices.Equal(sorted, s.tags.relevant) {
		s.reclassify(sorted)
	}
}

func (s *Scheduler) reclassify(relevant []string) {
	var ready []int32
	for _, sys := range s.systems {
		for _, q := range sys.queues {
			ready = append(ready, s.queues.at(q).builds...)
		}
	}
	for _, i := range ready {
		s.leave(i, s.builds.at(i))
	}
	s.tags.relevant = relevant
	for i := range s.tags.sets.used {
		if set := s.tags.sets.at(i); set.class != nil {
			s.tags.declassify(set)
			s.tags.classify(set)
		}
	}
	for _, i := range ready {
		s.place(i)
	}
}
