package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Load reads a file over the defaults and validates the whole.
func Load(file, stateDir string) (Config, error) {
	c := Default(stateDir)
	text, err := os.ReadFile(file)
	if err != nil {
		return c, fmt.Errorf("read the configuration: %w", err)
	}
	if err := check(file, text); err != nil {
		return c, err
	}
	if err := toml.Unmarshal(text, &c); err != nil {
		return c, located(file, err)
	}
	var wrong []error
	for _, err := range c.validate() {
		wrong = append(wrong, fmt.Errorf("%s: %w", file, err))
	}
	return c, errors.Join(wrong...)
}

// TOML is the configuration as a file with a comment for each key.
func (c Config) TOML() ([]byte, error) { return toml.Marshal(c) }

// located says where in a file it is that a decoder met an error.
func located(file string, err error) error {
	text := strings.TrimPrefix(err.Error(), "toml: ")
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		row, column := wrong.Position()
		return fmt.Errorf("%s:%d:%d: %s", file, row, column, text)
	}
	return fmt.Errorf("%s: %s", file, text)
}

// lookUp finds the field of a key.
func lookUp(key []string) (field reflect.StructField, ok bool) {
	t := reflect.TypeFor[Config]()
	for _, name := range key {
		if isTables(t) {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return field, false
		}
		ok = false
		for _, f := range reflect.VisibleFields(t) {
			if keyOf(f) == name {
				field, ok = f, true
			}
		}
		if !ok {
			return field, false
		}
		t = field.Type
	}
	return field, ok
}

// keyOf is the key of a field; empty for what has none of its own.
func keyOf(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
	return key
}

// isTables tells whether a key is a list of tables.
func isTables(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// allowed lists the keys of the table that a key stands in.
func allowed(key []string) []string {
	t := reflect.TypeFor[Config]()
	if len(key) > 1 {
		if f, ok := lookUp(key[:len(key)-1]); ok {
			t = f.Type
		}
	}
	if isTables(t) {
		t = t.Elem()
	}
	var names []string
	if t.Kind() == reflect.Struct {
		for _, f := range reflect.VisibleFields(t) {
			if name := keyOf(f); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// describe says in words what a value must be.
func describe(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Duration]():
		return `a duration such as "90s" or "15m"`
	case isTables(t):
		return "tables, each with its name in double brackets"
	case t.Kind() == reflect.Slice:
		return "a list of strings"
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.Struct:
		return "a table"
	}
	return "a whole number"
}
