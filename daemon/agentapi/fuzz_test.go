package agentapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
)

// Whatever an agent sends, the answer is JSON, never an error of the farm's
// own, and what is not acknowledged changes nothing.
func FuzzReports(f *testing.F) {
	for _, body := range []string{
		`{"status":"idle","load_average":{"1min":0.5},"processor_count":4}`,
		`{"systems":["x86_64-linux"],"target_count":2}`,
		`{"failure_reason":"missing_inputs","missing_inputs":["/gnu/store/0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix-hello-2.12"]}`,
		`{"result":"success","end_time":"2025-08-13 00:00:00","outputs":[{"name":"out","hash":"sha256:x","size":1,"references":[]}]}`,
		`{"result":"success","outputs":[{"name":"out","hash":"x"},{"name":"out","hash":"x"}]}`,
		`{"result":"failure","failure_reason":"\u0000\ud800"}`,
		"{\"result\":\"failure\",\"failure_reason\":\"\xff\"}",
		`{"systems":["\u0000",""],"count":9223372036854775807,"wait_seconds":-0}`,
	} {
		for kind := range byte(4) {
			f.Add(kind, body)
		}
	}
	common := coordinatortest.Open(f)
	common.Quiesce() // no answer is held back
	agent, password := common.Joined("bedok")
	handler := agentapi.Handler(common.Coordinator, http.NotFoundHandler())
	drv := common.Derivation("hello")
	f.Fuzz(func(t *testing.T, kind byte, body string) {
		farm := common.For(t)
		// The build is allocated by hand: a quiet coordinator gives none.
		uuid := farm.Added(drv)
		farm.Exec("INSERT INTO allocated_builds (build_id, agent_id) SELECT id, ? FROM builds WHERE uuid = ?", agent, uuid)
		method, path := "PUT", "/agent/"+agent
		switch kind % 4 {
		case 1:
			method, path = "POST", "/agent/"+agent+"/fetch-builds"
		case 2:
			method, path = "POST", "/build/"+uuid+"/report-setup-failure"
		case 3:
			path = "/build/" + uuid
		}
		before := farm.Dump()
		req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		req.SetBasicAuth(agent, password)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("got the body %q, want JSON", w.Body)
		}
		switch w.Code {
		case http.StatusOK:
		case http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge:
			if farm.Dump() != before {
				t.Errorf("refused with %d, but the database changed", w.Code)
			}
		default:
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		for _, table := range []string{"output_metadata", "build_results", "setup_failures", "setup_failure_missing_inputs", "allocated_builds", "builds"} {
			farm.Exec("DELETE FROM " + table)
		}
	})
}
