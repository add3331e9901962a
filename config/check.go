package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// check compares a file with the schema, since the decoder's own errors name
// Go types and not always a line. The error has a line for each thing that is
// wrong. Where the text is not TOML it ends; the decoder says so better.
func check(file string, text []byte) error {
	c := checker{file: file, seen: make(map[string]int)}
	c.Reset(text)
	var table []string
	skip := false // what stands in a table that does not exist
	for c.NextExpression() {
		e := c.Expression()
		if e.Kind == unstable.KeyValue {
			if !skip {
				c.keyValue(table, e)
			}
			continue
		}
		key, at := c.key(e)
		field, ok := lookUp(key)
		table, skip = key, true
		switch {
		case !ok:
			c.unknown(key, at)
		case isTables(field.Type) && e.Kind == unstable.ArrayTable:
			// Another table: its keys are all new.
			maps.DeleteFunc(c.seen, func(name string, _ int) bool { return strings.HasPrefix(name, strings.Join(key, ".")+".") })
			skip = false
		case field.Type.Kind() != reflect.Struct:
			c.wrong(at, "%s must be %s", strings.Join(key, "."), describe(field.Type))
		case e.Kind == unstable.ArrayTable:
			c.wrong(at, "%[1]s must be one table, [%[1]s]", strings.Join(key, "."))
		default:
			skip = !c.first(key, at)
		}
	}
	return errors.Join(c.errs...)
}

type checker struct {
	unstable.Parser
	file string
	seen map[string]int // lines where keys and tables are set
	errs []error
}

func (c *checker) wrong(at unstable.Position, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s:%d:%d: %s", c.file, at.Line, at.Column, fmt.Sprintf(format, args...)))
}

func (c *checker) unknown(key []string, at unstable.Position) {
	c.wrong(at, "there is no key %s; allowed here: %s", strings.Join(key, "."), strings.Join(allowed(key), ", "))
}

// first tells whether a key is set for the first time.
func (c *checker) first(key []string, at unstable.Position) bool {
	name := strings.Join(key, ".")
	if line := c.seen[name]; line > 0 {
		c.wrong(at, "%s is there already, in line %d", name, line)
		return false
	}
	c.seen[name] = at.Line
	return true
}

// key is the key of an expression and its position.
func (c *checker) key(e *unstable.Node) (key []string, at unstable.Position) {
	for parts := e.Key(); parts.Next(); {
		if key == nil {
			at = c.Shape(parts.Node().Raw).Start
		}
		key = append(key, string(parts.Node().Data))
	}
	return key, at
}

func (c *checker) keyValue(table []string, e *unstable.Node) {
	own, at := c.key(e)
	key := slices.Concat(table, own)
	field, ok := lookUp(key)
	value := e.Value()
	switch {
	case !ok:
		c.unknown(key, at)
	case !c.first(key, at):
	case field.Type.Kind() == reflect.Struct && value.Kind == unstable.InlineTable:
		for members := value.Children(); members.Next(); {
			c.keyValue(key, members.Node())
		}
	default:
		if wrong := c.unfit(value, field.Type); wrong != nil {
			if raw := wrong.Raw; raw.Length > 0 { // lists and booleans have none
				at = c.Shape(raw).Start
			}
			c.wrong(at, "%s must be %s", strings.Join(key, "."), describe(field.Type))
		}
	}
}

// unfit is the value, or the one in a list, that does not fit a type.
func (c *checker) unfit(value *unstable.Node, t reflect.Type) *unstable.Node {
	fits := false
	switch {
	case t == reflect.TypeFor[Duration]():
		fits = value.Kind == unstable.String && new(Duration).UnmarshalText(value.Data) == nil
	case t.Kind() == reflect.Slice:
		fits = value.Kind == unstable.Array
		for items := value.Children(); fits && items.Next(); {
			if wrong := c.unfit(items.Node(), t.Elem()); wrong != nil {
				return wrong
			}
		}
	case t.Kind() == reflect.String:
		fits = value.Kind == unstable.String
	case t.Kind() == reflect.Bool:
		fits = value.Kind == unstable.Bool
	case t.Kind() == reflect.Float64:
		fits = value.Kind == unstable.Float || value.Kind == unstable.Integer
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		_, err := strconv.ParseInt(string(value.Data), 0, t.Bits())
		fits = value.Kind == unstable.Integer && err == nil
	}
	if fits {
		return nil
	}
	return value
}
