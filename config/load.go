package config

import (
	"bytes"
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
	d := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, located(file, text, err)
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// TOML is the configuration as a file with a comment for each key.
func (c Config) TOML() ([]byte, error) { return toml.Marshal(c) }

// located makes one line of each thing that is wrong with a file.
func located(file string, text []byte, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var all []error
		for _, e := range unknown.Errors {
			row, column := e.Position()
			key := e.Key()
			all = append(all, fmt.Errorf("%s:%d:%d: there is no key %s; allowed here: %s",
				file, row, column, strings.Join(key, "."), strings.Join(allowed(key), ", ")))
		}
		return errors.Join(all...)
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		row, column := wrong.Position()
		if key := keyAt(text, row); key != nil {
			if field, ok := lookUp(key); ok {
				return fmt.Errorf("%s:%d:%d: %s must be %s", file, row, column, strings.Join(key, "."), describe(field.Type))
			}
		}
		return fmt.Errorf("%s:%d:%d: %s", file, row, column, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", file, err)
}

// keyAt is the key that the given line of a file sets, with its table; nil if
// it sets none. The decoder says where an error is, but not in which key.
func keyAt(text []byte, row int) (key []string) {
	lines := strings.Split(string(text), "\n")
	if row < 1 || row > len(lines) {
		return nil
	}
	name, _, ok := strings.Cut(lines[row-1], "=")
	if !ok {
		return nil
	}
	for _, line := range lines[:row-1] {
		line = strings.TrimSpace(line)
		if table, _, ok := strings.Cut(strings.TrimPrefix(line, "["), "]"); ok && strings.HasPrefix(line, "[") {
			key = []string{strings.TrimSpace(table)}
		}
	}
	return append(key, strings.TrimSpace(name))
}

// lookUp finds the field of a key.
func lookUp(key []string) (field reflect.StructField, ok bool) {
	t := reflect.TypeFor[Config]()
	for _, name := range key {
		if t.Kind() != reflect.Struct {
			return field, false
		}
		ok = false
		for _, f := range reflect.VisibleFields(t) {
			if f.Tag.Get("toml") == name {
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

// allowed lists the keys of the table that a key stands in.
func allowed(key []string) []string {
	t := reflect.TypeFor[Config]()
	if len(key) > 1 {
		if f, ok := lookUp(key[:len(key)-1]); ok {
			t = f.Type
		}
	}
	var names []string
	if t.Kind() == reflect.Struct {
		for _, f := range reflect.VisibleFields(t) {
			if name := f.Tag.Get("toml"); name != "" {
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
