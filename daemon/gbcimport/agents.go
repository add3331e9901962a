package gbcimport

import (
	"context"
	"database/sql"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
)

// agent is an agent that the farm knows.
type agent struct {
	there bool // before the import
	tags  []daemon.Tag
}

// loadTags reads the file's tags, which agents and builds refer to.
func (m *importer) loadTags(ctx context.Context) error {
	m.tags = make(map[int64]daemon.Tag)
	if m.lacks("tags", "id", "key", "value") != "" {
		return nil
	}
	return m.each(ctx, m.choose("tags", "id#", "key", "value"), func(row []sql.NullString) error {
		t := daemon.Tag{Key: row[1].String, Value: row[2].String}
		if t.Key != "" && isText(t.Key) && isText(t.Value) {
			m.tags[number(row[0])] = t
		}
		return nil
	})
}

func (m *importer) importAgents(ctx context.Context) error {
	line, names := m.report.line("agents"), m.report.line("agent names")
	there, err := m.Agents(ctx)
	if err != nil {
		return err
	}
	m.agents = make(map[string]*agent)
	taken := make(map[string]bool)
	for _, a := range there {
		m.agents[a.ID] = &agent{there: true, tags: a.Tags}
		taken[a.Name] = true
	}
	if line.Lacking = m.lacks("agents", "id"); line.Lacking != "" {
		return nil
	}
	names.Lacking = m.lacks("agents", "name")
	return m.each(ctx, m.choose("agents", "id", "name", "description", "active#"), func(row []sql.NullString) error {
		id, name, description := row[0].String, row[1].String, row[2].String
		line.InFile++
		if name != "" {
			names.InFile++
		}
		var why string
		switch known := m.agents[id]; {
		case coordinator.CheckUUID(id) != nil:
			why = "the id is not a UUID"
		case known != nil && !known.there:
			why = "the file has another agent with this id"
		case known != nil:
			line.There++
			if name != "" {
				names.There++
			}
			return nil
		case !isText(name) || !isText(description):
			why = "the name or description is too long or is not text"
		}
		if why != "" {
			line.skip(1, why)
			if name != "" {
				names.skip(1, "the agent is skipped")
			}
			return nil
		}
		line.Imported++
		switch {
		case name == "":
		case taken[name]: // names must tell agents apart when they enrol
			names.skip(1, "another agent has this name; the agent is imported without one")
			name = ""
		default:
			names.Imported++
			taken[name] = true
		}
		m.agents[id] = &agent{}
		if err := m.InsertAgent(ctx, id, name, description); err != nil {
			return err
		}
		if active := !row[3].Valid || number(row[3]) != 0; !active {
			_, err := m.UpdateAgent(ctx, id, daemon.AgentChange{Active: &active})
			return err
		}
		return nil
	})
}

// passwordColumns are where a password's agent, text and time are. Only their
// order is certain.
func (m *importer) passwordColumns() []string {
	names := []string{"agent_id", "password", "created_at"}
	if all := m.columns["agent_passwords"]; m.lacks("agent_passwords", names...) != "" && len(all) == 4 {
		return all[1:]
	}
	return names
}

func (m *importer) importPasswords(ctx context.Context) error {
	line := m.report.line("passwords")
	columns := m.passwordColumns()
	if line.Lacking = m.lacks("agent_passwords", columns[:2]...); line.Lacking != "" {
		return nil
	}
	return m.each(ctx, m.choose("agent_passwords", columns...), func(row []sql.NullString) error {
		id, password := row[0].String, row[1].String
		line.InFile++
		switch {
		case m.agents[id] == nil:
			line.skip(1, "the agent is not known")
			return nil
		case password == "":
			line.skip(1, "the password is empty")
			return nil
		}
		there, err := m.Passwords(ctx, id)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(there, func(p datastore.Password) bool { return coordinator.CheckSecret(p.Hash, password) }) {
			line.There++
			return nil
		}
		line.Imported++
		return m.InsertPassword(ctx, id, datastore.Password{Hash: coordinator.HashSecret(password), Created: m.momentOrNow(row[2])})
	})
}

func (m *importer) importAgentTags(ctx context.Context) error {
	line := m.report.line("agent tags")
	if line.Lacking = m.lacks("agent_tags", "agent_id", "tag_id"); line.Lacking == "" {
		line.Lacking = m.lacks("tags", "id", "key", "value")
	}
	if line.Lacking != "" {
		return nil
	}
	fresh := make(map[string][]daemon.Tag)
	err := m.each(ctx, m.choose("agent_tags", "agent_id", "tag_id#"), func(row []sql.NullString) error {
		a, id := m.agents[row[0].String], row[0].String
		tag, ok := m.tags[number(row[1])]
		line.InFile++
		switch {
		case a == nil:
			line.skip(1, "the agent is not known")
		case !ok:
			line.skip(1, "the tag is missing, too long or not text")
		case slices.Contains(a.tags, tag):
			line.There++
		case a.there:
			line.skip(1, "the agent was there already and keeps its tags")
		default:
			line.Imported++
			a.tags = append(a.tags, tag)
			fresh[id] = a.tags
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id, tags := range fresh {
		if _, err := m.UpdateAgent(ctx, id, daemon.AgentChange{Tags: &tags}); err != nil {
			return err
		}
	}
	return nil
}
