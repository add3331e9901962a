// Package config is what the operator sets: one TOML file, its defaults, its
// validation, and files that hold secrets.
//
// The file is strict. A key that does not exist or a value of the wrong type
// is an error that names file, line and column and says what is allowed.
// Trust: whoever can write the file decides where the farm keeps its state and
// who can talk to it; it holds no secrets, only the names of their files.
package config
