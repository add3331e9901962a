package wire

// Metrics are the names that upstream likely has for metrics which mean the
// same here. Nothing else about them is certain, so each is served under this
// one name.
var Metrics = map[string]string{
	"builds":           "guixbuildcoordinator_builds_total",
	"results":          "guixbuildcoordinator_build_results_total",
	"setup-failures":   "guixbuildcoordinator_setup_failures_total",
	"hook-duration":    "guixbuildcoordinator_hook_duration_seconds",
	"hook-failures":    "guixbuildcoordinator_hook_failure_total",
	"hook-outbox":      "guixbuildcoordinator_unprocessed_hook_events_total",
	"submit-durations": "guixbuildcoordinator_coordinator_submit_build_duration_seconds",
}
