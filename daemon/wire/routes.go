package wire

// Routes lists, by our name for an operation, the patterns (of net/http's
// ServeMux) under which it is served; the first one is what our own clients
// use. Doubtful routes have several.
var Routes = map[string][]string{
	// The agents' API.
	"agent-status":  {"PUT /agent/{uuid}"},
	"fetch-builds":  {"POST /agent/{uuid}/fetch-builds"},
	"report-start":  {"POST /build/{uuid}/report-build-start", "POST /build/{uuid}/report-start"},
	"setup-failure": {"POST /build/{uuid}/report-setup-failure"},
	"build-log":     {"PUT /build/{uuid}/log/{format}", "POST /build/{uuid}/log/{format}"},
	"live-log":      {"POST /build/{uuid}/live-log"}, // tbfg's own
	"live-log-size": {"GET /build/{uuid}/live-log"},  // tbfg's own
	"send-output":   {"PUT /build/{uuid}/output/{name}", "POST /build/{uuid}/output/{name}"},
	"output-rest":   {"POST /build/{uuid}/output/{name}/partial", "PUT /build/{uuid}/output/{name}/partial"},
	"output-size":   {"HEAD /build/{uuid}/output/{name}/partial"},
	"build-result":  {"PUT /build/{uuid}", "POST /build/{uuid}"},
	"release-build": {"POST /build/{uuid}/release"}, // tbfg's own
	"metrics":       {"GET /metrics"},
	"agent":         {"GET /agent/{uuid}"},
	"build":         {"GET /build/{uuid}"},
	"enrol": {"POST /agent-session", "POST /agent-sessions", "POST /agent/session", "POST /agent",
		"POST /agent/dynamic-auth", "POST /dynamic-auth"}, // and, there, that of new-agent

	// The clients' API.
	"submit":       {"POST /builds"},
	"builds":       {"GET /builds"},
	"output":       {"GET /output", "GET /output/{path...}"},
	"agents":       {"GET /agents"},
	"new-agent":    {"POST /agents"},
	"new-password": {"POST /agent/{uuid}/passwords", "POST /agent/{uuid}/password"},
	"passwords":    {"GET /agent/{uuid}/passwords"}, // tbfg's own
	"agent-active": {"PUT /agent/{uuid}/active"},
	"agent-tags":   {"PUT /agent/{uuid}/tags"},
	"change-agent": {"PATCH /agent/{uuid}"},    // tbfg's own
	"agent-mode":   {"PUT /agent/{uuid}/mode"}, // tbfg's own

	"cancel":        {"POST /build/{uuid}/cancel"},
	"cancel-builds": {"POST /builds/cancel"}, // tbfg's own
	"priority":      {"POST /build/{uuid}/update-priority", "POST /build/{uuid}/priority"},
	"retry":         {"POST /build/{uuid}/retry"}, // tbfg's own
	"events":        {"GET /events"},
	"state":         {"GET /state"},
	"blocking":      {"GET /failed-builds-with-blocking-count"},
	"failed-setups": {"GET /setup-failures"},

	"new-token":    {"POST /dynamic-auth-tokens", "POST /dynamic-auth-token"},
	"tokens":       {"GET /dynamic-auth-tokens"},         // tbfg's own
	"revoke-token": {"DELETE /dynamic-auth-tokens/{id}"}, // tbfg's own
	"hooks":        {"GET /hooks"},                       // tbfg's own
	"retry-hooks":  {"POST /hooks/retry"},                // tbfg's own
	"status":       {"GET /status"},                      // tbfg's own

	"reload":        {"POST /reload"},         // tbfg's own
	"secrets":       {"GET /secrets"},         // tbfg's own
	"rotate-secret": {"POST /secrets/rotate"}, // tbfg's own
	// Collections, all tbfg's own.
	"collections":       {"GET /collections"},
	"collection":        {"GET /collection/{name}"},
	"put-collection":    {"PUT /collection/{name}"},
	"remove-collection": {"DELETE /collection/{name}"},
	"update-collection": {"POST /collection/{name}/update"},
	"report":            {"GET /collection/{name}/report"},
}
