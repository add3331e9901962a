package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/durable"
)

// The names of secrets; those of declared agents are made by [AgentToken].
const (
	ClientToken        = "client.token"
	LocalAgentUUID     = "local-agent.uuid"
	LocalAgentPassword = "local-agent.password"
	SigningKey         = "signing.key"
)

const (
	agents      = "agents"
	tokenSuffix = ".token"
	maxSize     = 4096 // bytes of a secret
)

// AgentToken is the name of the secret that enrols an agent. The agent's name
// must be one that [ValidAgent] accepts.
func AgentToken(agent string) string { return agents + "/" + agent + tokenSuffix }

// AgentOf is the agent that a secret enrols, if it is such a one.
func AgentOf(name string) (agent string, ok bool) {
	rest, ok := strings.CutPrefix(name, agents+"/")
	if !ok {
		return "", false
	}
	agent, ok = strings.CutSuffix(rest, tokenSuffix)
	return agent, ok && ValidAgent(agent)
}

// ValidAgent tells whether an agent's name can be that of a file.
func ValidAgent(name string) bool {
	return name != "" && len(name) <= 100 && name[0] != '.' &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

// A Dir is a directory of secrets.
type Dir struct{ name string }

// A Secret says of a secret what may be said of it.
type Secret struct {
	Name    string    // such as "client.token"
	File    string    // where it is
	Made    time.Time // when it was last written
	Purpose string    // what it is for
}

// Open makes the directory if need be.
func Open(name string) (*Dir, error) {
	for _, dir := range []string{name, filepath.Join(name, agents)} {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the directory of secrets: %w", err)
		}
	}
	for _, dir := range []string{name, filepath.Join(name, agents)} {
		if err := durable.Sweep(dir); err != nil {
			return nil, fmt.Errorf("open the directory of secrets: %w", err)
		}
	}
	return &Dir{name}, nil
}

// File is the name of the file that holds a secret.
func (d *Dir) File(name string) string { return filepath.Join(d.name, filepath.FromSlash(name)) }

// Read returns a secret; ok is false if there is none.
func (d *Dir) Read(name string) (secret string, ok bool, err error) {
	text, err := os.ReadFile(d.File(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read the secret %s: %w", name, err)
	}
	secret = strings.TrimSpace(string(text))
	return secret, secret != "" && len(secret) <= maxSize && !strings.ContainsAny(secret, "\r\n"), nil
}

// Make keeps a new secret unless there is one.
func (d *Dir) Make(name string, secret func() (string, error)) error {
	if _, err := os.Stat(d.File(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, err := secret()
	if err != nil {
		return fmt.Errorf("make the secret %s: %w", name, err)
	}
	return d.Write(name, text)
}

// Write keeps a secret in the place of one that is there.
func (d *Dir) Write(name, secret string) error {
	if err := durable.WriteFile(d.File(name), []byte(secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the secret %s: %w", name, err)
	}
	return nil
}

// Remove forgets a secret, if it is there.
func (d *Dir) Remove(name string) error {
	if err := os.Remove(d.File(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the secret %s: %w", name, err)
	}
	return nil
}

// List names the secrets that are there, by their names.
func (d *Dir) List() ([]Secret, error) {
	var all []Secret
	err := filepath.WalkDir(d.name, func(file string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(d.name, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		info, err := e.Info()
		if err != nil {
			return err
		}
		if purpose := purposeOf(name); purpose != "" {
			all = append(all, Secret{name, file, info.ModTime().UTC(), purpose})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the secrets: %w", err)
	}
	return all, nil
}

// purposeOf says what a secret is for; empty for other files.
func purposeOf(name string) string {
	switch name {
	case ClientToken:
		return "commands and front ends on other machines use the clients' API"
	case LocalAgentUUID:
		return "who the local agent is"
	case LocalAgentPassword:
		return "the local agent proves who it is"
	case SigningKey:
		return "signs the substitutes that the farm serves"
	}
	if agent, ok := AgentOf(name); ok {
		return "the agent " + agent + " enrols"
	}
	return ""
}

// Unknown is the error for a secret that is not there or cannot be rotated.
func Unknown(name string) error {
	return daemon.Errorf(daemon.NotFound, "there is no secret %.120q that can be made anew: see \"tbfg secrets list\"", name)
}
