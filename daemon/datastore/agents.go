package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// InsertAgent adds an agent, which is active.
func (t *Tx) InsertAgent(ctx context.Context, id, name, description string) error {
	_, err := t.stmts.exec(ctx, "agent_insert", id, textValue(description), textValue(name))
	return err
}

// UpdateAgent changes what change has of an agent; found is false if there
// is no such agent.
func (t *Tx) UpdateAgent(ctx context.Context, id string, change daemon.AgentChange) (found bool, err error) {
	n, err := t.stmts.exec(ctx, "agent_update", id, change.Name, change.Description, change.Active)
	if err != nil || n == 0 {
		return n > 0, err
	}
	if change.Mode != nil {
		if err := t.setMode(ctx, id, *change.Mode); err != nil {
			return true, err
		}
	}
	if change.Tags == nil {
		return true, nil
	}
	if _, err := t.stmts.exec(ctx, "agent_tags_delete", id); err != nil {
		return true, err
	}
	return true, t.insertTags(ctx, "agent_tag_insert", id, *change.Tags)
}

func (t *Tx) setMode(ctx context.Context, id string, mode daemon.Mode) error {
	if _, err := t.stmts.exec(ctx, "agent_mode_delete", id); err != nil || mode == daemon.Working {
		return err
	}
	_, err := t.stmts.exec(ctx, "agent_mode_insert", id, string(mode))
	return err
}

// insertTags attaches tags to a build or an agent.
func (t *Tx) insertTags(ctx context.Context, query string, to any, tags []daemon.Tag) error {
	for _, tag := range tags {
		if _, err := t.stmts.exec(ctx, "tag_insert", tag.Key, tag.Value); err != nil {
			return err
		}
		if _, err := t.stmts.exec(ctx, query, to, tag.Key, tag.Value); err != nil {
			return err
		}
	}
	return nil
}

// SetAgentSystems records the systems that an agent asks builds for.
func (t *Tx) SetAgentSystems(ctx context.Context, id string, systems []string) error {
	if _, err := t.stmts.exec(ctx, "agent_systems_delete", id); err != nil {
		return err
	}
	for _, system := range systems {
		if _, err := t.stmts.exec(ctx, "system_insert", system); err != nil {
			return err
		}
		if _, err := t.stmts.exec(ctx, "agent_system_insert", id, system); err != nil {
			return err
		}
	}
	return nil
}

// Agents are all agents, in the order in which they were added.
func (q Queries) Agents(ctx context.Context) ([]daemon.Agent, error) { return q.agents(ctx, nil) }

// Agent is the agent with an id; found is false if there is none.
func (q Queries) Agent(ctx context.Context, id string) (agent daemon.Agent, found bool, err error) {
	agents, err := q.agents(ctx, id)
	if err != nil || len(agents) == 0 {
		return daemon.Agent{}, false, err
	}
	return agents[0], true, nil
}

func (q Queries) agents(ctx context.Context, id any) ([]daemon.Agent, error) {
	var agents []daemon.Agent
	err := q.stmts.each(ctx, "agents", []any{id}, func(rows *sql.Rows) error {
		var a daemon.Agent
		var name, description, mode, status, at sql.NullString
		var load sql.NullFloat64
		var processors, planned sql.NullInt64
		if err := rows.Scan(&a.ID, &name, &description, &a.Active, &mode, &status, &load, &processors, &at, &planned); err != nil {
			return err
		}
		if status.Valid {
			a.Status = &daemon.AgentStatus{Status: status.String, Load1Min: load.Float64, Processors: int(processors.Int64), Time: parseTime(at)}
		}
		a.Planned = int(planned.Int64)
		a.Name, a.Description, a.Mode = name.String, description.String, daemon.Working
		if mode.Valid {
			a.Mode = daemon.Mode(mode.String)
		}
		agents = append(agents, a)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range agents {
		if err := q.fillAgent(ctx, &agents[i]); err != nil {
			return nil, err
		}
	}
	return agents, nil
}

func (q Queries) fillAgent(ctx context.Context, a *daemon.Agent) (err error) {
	if a.Systems, err = q.AgentSystems(ctx, a.ID); err != nil {
		return err
	}
	if a.Tags, err = q.tags(ctx, "agent_tags", a.ID); err != nil {
		return err
	}
	a.Allocated, err = q.Allocations(ctx, a.ID)
	return err
}

// AgentByName is the id of the first agent with a name; empty if there is none.
func (q Queries) AgentByName(ctx context.Context, name string) (id string, err error) {
	_, err = q.stmts.row(ctx, "agent_by_name", []any{name}, &id)
	return id, err
}

// Holders are the agents that hold builds.
func (q Queries) Holders(ctx context.Context) ([]string, error) {
	var ids []string
	err := q.stmts.each(ctx, "holders", nil, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// AgentSystems are the systems that an agent asked builds for, sorted.
func (q Queries) AgentSystems(ctx context.Context, id string) ([]string, error) {
	var systems []string
	err := q.stmts.each(ctx, "agent_systems", []any{id}, func(rows *sql.Rows) error {
		var system string
		err := rows.Scan(&system)
		systems = append(systems, system)
		return err
	})
	return systems, err
}

// Allocations are the builds that an agent holds, the most urgent first.
func (q Queries) Allocations(ctx context.Context, agent string) ([]daemon.Allocation, error) {
	var allocations []daemon.Allocation
	err := q.stmts.each(ctx, "agent_allocations", []any{agent}, func(rows *sql.Rows) error {
		var a daemon.Allocation
		var tags []byte
		if err := rows.Scan(&a.UUID, &a.Derivation, &a.Priority, &tags); err != nil {
			return err
		}
		if string(tags) != "[]" {
			if err := json.Unmarshal(tags, &a.Tags); err != nil {
				return fmt.Errorf("decode the tags of build %s: %w", a.UUID, err)
			}
		}
		allocations = append(allocations, a)
		return nil
	})
	return allocations, err
}

func (q Queries) tags(ctx context.Context, query string, of any) ([]daemon.Tag, error) {
	var tags []daemon.Tag
	err := q.stmts.each(ctx, query, []any{of}, func(rows *sql.Rows) error {
		var t daemon.Tag
		err := rows.Scan(&t.Key, &t.Value)
		tags = append(tags, t)
		return err
	})
	return tags, err
}

// A Password is an agent's password as it is stored: a salted hash.
type Password struct {
	Hash    string
	Created time.Time
}

// DeletePasswords forgets all passwords of an agent.
func (t *Tx) DeletePasswords(ctx context.Context, agent string) error {
	_, err := t.stmts.exec(ctx, "agent_passwords_delete", agent)
	return err
}

// InsertPassword adds a password to those that an agent may use.
func (t *Tx) InsertPassword(ctx context.Context, agent string, p Password) error {
	_, err := t.stmts.exec(ctx, "agent_password_insert", agent, p.Hash, timeValue(p.Created))
	return err
}

// Passwords are the passwords that an agent may use, oldest first.
func (q Queries) Passwords(ctx context.Context, agent string) ([]Password, error) {
	var passwords []Password
	err := q.stmts.each(ctx, "agent_passwords", []any{agent}, func(rows *sql.Rows) error {
		var p Password
		var created sql.NullString
		err := rows.Scan(&p.Hash, &created)
		p.Created = parseTime(created)
		passwords = append(passwords, p)
		return err
	})
	return passwords, err
}

// textValue is s for a column where the empty string is NULL.
func textValue(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// parsePaths reads base names separated by blanks.
func parsePaths(dir storepath.Dir, s sql.NullString) []storepath.Path {
	var paths []storepath.Path
	for _, base := range strings.Fields(s.String) {
		paths = append(paths, storepath.Path(string(dir)+"/"+base))
	}
	return paths
}
