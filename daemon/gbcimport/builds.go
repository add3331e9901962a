package gbcimport

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
)

// result is how a build ended.
type result struct {
	agent   string
	success bool
	reason  string
}

// history is what the file knows of builds beside their own rows, by those.
type history struct {
	builds, tags, results *Line // of the report
	tagsOf                map[int64][]daemon.Tag
	resultOf              map[int64]result
}

func (m *importer) importBuilds(ctx context.Context) error {
	h := &history{builds: m.report.line("builds"), tags: m.report.line("build tags"), results: m.report.line("build results"),
		tagsOf: make(map[int64][]daemon.Tag), resultOf: make(map[int64]result)}
	if err := m.readBuildTags(ctx, h); err != nil {
		return err
	}
	if err := m.readResults(ctx, h); err != nil {
		return err
	}
	if h.builds.Lacking = m.lacks("builds", "id", "uuid", "derivation_id"); h.builds.Lacking == "" {
		query := m.choose("builds", "id#", "uuid", "derivation_id#", "priority#", "processed#", "canceled#", "created_at", "end_time",
			"deferred_until")
		err := m.each(ctx, query+" ORDER BY id", func(row []sql.NullString) error { return m.importBuild(ctx, h, row) })
		if err != nil {
			return err
		}
	}
	for _, tags := range h.tagsOf {
		h.tags.skip(len(tags), "the build is skipped or missing")
	}
	h.results.skip(len(h.resultOf), "the build is skipped or missing")
	return nil
}

func (m *importer) readBuildTags(ctx context.Context, h *history) error {
	if h.tags.Lacking = m.lacks("build_tags", "build_id", "tag_id"); h.tags.Lacking == "" {
		h.tags.Lacking = m.lacks("tags", "id", "key", "value")
	}
	if h.tags.Lacking != "" {
		return nil
	}
	return m.each(ctx, m.choose("build_tags", "build_id#", "tag_id#"), func(row []sql.NullString) error {
		h.tags.InFile++
		tag, ok := m.tags[number(row[1])]
		if !ok {
			h.tags.skip(1, "the tag is missing, too long or not text")
			return nil
		}
		build := number(row[0])
		h.tagsOf[build] = append(h.tagsOf[build], tag)
		return nil
	})
}

func (m *importer) readResults(ctx context.Context, h *history) error {
	if h.results.Lacking = m.lacks("build_results", "build_id", "agent_id", "result"); h.results.Lacking != "" {
		return nil
	}
	return m.each(ctx, m.choose("build_results", "build_id#", "agent_id", "result", "failure_reason"), func(row []sql.NullString) error {
		h.results.InFile++
		build := number(row[0])
		_, second := h.resultOf[build]
		r := result{row[1].String, row[2].String == "success", strings.ToValidUTF8(row[3].String, "\ufffd")}
		switch {
		case second:
			h.results.skip(1, "the build has another result")
		case !r.success && row[2].String != "failure":
			h.results.skip(1, "it is neither success nor failure")
		case m.agents[r.agent] == nil:
			h.results.skip(1, "the agent is not known")
		default:
			h.resultOf[build] = r
		}
		return nil
	})
}

// importBuild imports the build in a row with all that belongs to it. A build
// that an agent holds goes back to the queue: our agents know nothing of it.
func (m *importer) importBuild(ctx context.Context, h *history, row []sql.NullString) error {
	h.builds.InFile++
	id, uuid, path := number(row[0]), row[1].String, m.derivations[number(row[2])]
	processed, canceled := number(row[4]) != 0, number(row[5]) != 0
	r, ended := h.resultOf[id]
	if coordinator.CheckUUID(uuid) != nil {
		h.builds.skip(1, "the UUID is not one")
		return nil
	}
	if ours, there, err := m.Build(ctx, uuid); err != nil {
		return err
	} else if there {
		h.there(id)
		m.report.builds[uuid] = ours.State.Finished()
		return nil
	}
	switch {
	case path == "":
		h.builds.skip(1, "the derivation is skipped or missing")
		return nil
	case processed && !canceled && !ended:
		h.builds.skip(1, "it ended, but nothing that was imported says how")
		return nil
	}
	b := daemon.Build{UUID: uuid, Derivation: path, Priority: number(row[3]), Created: m.momentOrNow(row[6]), NotBefore: moment(row[8]),
		Tags: h.tagsOf[id]}
	at := moment(row[7])
	if at.IsZero() {
		at = b.Created
	}
	h.imported(id, canceled)
	m.report.builds[uuid] = canceled || ended
	return m.store(ctx, b, at, canceled, ended, r)
}

// there counts a build as one of ours already, with its tags and result.
func (h *history) there(id int64) {
	h.builds.There++
	h.tags.There += len(h.tagsOf[id])
	delete(h.tagsOf, id)
	if _, ok := h.resultOf[id]; ok {
		h.results.There++
		delete(h.resultOf, id)
	}
}

// imported counts a build that becomes ours.
func (h *history) imported(id int64, canceled bool) {
	h.builds.Imported++
	h.tags.Imported += len(h.tagsOf[id])
	delete(h.tagsOf, id)
	if _, ok := h.resultOf[id]; !ok {
		return
	}
	if canceled {
		h.results.skip(1, "the build was canceled")
	} else {
		h.results.Imported++
	}
	delete(h.resultOf, id)
}

func (m *importer) store(ctx context.Context, b daemon.Build, at time.Time, canceled, ended bool, r result) error {
	row, err := m.DerivationID(ctx, b.Derivation)
	if err != nil {
		return err
	}
	build := datastore.BuildRow{Build: b, DerivationID: row}
	if build.ID, err = m.InsertBuild(ctx, row, b); err != nil {
		return err
	}
	switch {
	case canceled:
		return m.Cancel(ctx, build.ID, at)
	case ended:
		return m.Finish(ctx, build, r.agent, daemon.Result{Success: r.success, Reason: r.reason, Ended: at})
	}
	return nil
}
