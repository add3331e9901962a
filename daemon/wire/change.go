package wire

import "codeberg.org/tbfg/tbfg/daemon"

// The messages of the clients' API that change builds.

// CancelRequest is the body of POST /build/UUID/cancel; all of it may be left
// out.
type CancelRequest struct {
	UnlessRequired bool `json:"ignore_if_build_required_by_another,omitempty"`
}

// PriorityRequest is the body of POST /build/UUID/update-priority. Upstream's
// fields about derived priorities have no effect: these are always right.
type PriorityRequest struct {
	Priority *int64 `json:"new_priority"`
}

// ResultReply says in a word what became of a request.
type ResultReply struct {
	Result string `json:"result"`
}

// PriorityUpdated is the result of POST /build/UUID/update-priority.
const PriorityUpdated = "priority-updated"

// CancelBuilds is the body of POST /builds/cancel, which is tbfg's own. The
// first fields choose unfinished builds as the parameters of GET /builds do.
type CancelBuilds struct {
	Tags          []string `json:"tag,omitempty"`
	NotTags       []string `json:"not_tag,omitempty"`
	Systems       []string `json:"system,omitempty"`
	NotSystems    []string `json:"not_system,omitempty"`
	PriorityAbove *int64   `json:"priority_gt,omitempty"`
	PriorityBelow *int64   `json:"priority_lt,omitempty"`
	CreatedAfter  Time     `json:"created_after,omitzero"`
	CreatedBefore Time     `json:"created_before,omitzero"`
	Derivation    string   `json:"derivation,omitempty"`

	UnstartedOnly  bool `json:"unstarted_only,omitempty"`
	UnlessRequired bool `json:"unless_required,omitempty"`
	All            bool `json:"all,omitempty"` // must be said where nothing else chooses
}

// CancelBuildsReply answers it.
type CancelBuildsReply struct {
	Canceled int `json:"builds_canceled"`
}

// RetryRequest is the body of POST /build/UUID/retry, which is tbfg's own.
type RetryRequest struct {
	WithBlocked bool `json:"with_blocked,omitempty"`
}

// RetryReply answers it with the UUIDs of the new builds.
type RetryReply struct {
	Submitted []string `json:"builds_submitted"`
}

// BlockingBuild is a failed build with how many unfinished ones it blocks.
type BlockingBuild struct {
	Build
	Blocks int `json:"blocking_count"`
}

// BlockingList answers GET /failed-builds-with-blocking-count.
type BlockingList struct {
	Builds []BlockingBuild `json:"builds"`              // the worst
	All    int             `json:"failed_builds_count"` // tbfg's own: how many there are, whatever the limit
}

// NewBlockingBuild is such a build as it goes out.
func NewBlockingBuild(b daemon.Build, blocks int) BlockingBuild {
	return BlockingBuild{NewBuild(b), blocks}
}
