package clientapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
)

// Whatever is submitted, the answer is JSON, never an error of the farm's
// own, and what is not acknowledged changes nothing.
func FuzzSubmission(f *testing.F) {
	common := coordinatortest.Open(f)
	drv := common.Derivation("hello", common.Derivation("input"))
	for _, body := range []string{
		`{"derivation":"DRV","priority":1,"tags":[{"key":"a","value":"b"},{"key":"a","value":"b"}],"build-id":"7bdd2249-1214-431a-aa61-de4d907f1b32"}`,
		`{"derivation":"DRV","defer-until":"2025-08-14 00:00:00","ensure-all-related-derivation-outputs-have-builds":true}`,
		`{"derivation":"DRV","defer-until":"9999-12-31T23:59:59+23:00","priority":-9223372036854775808}`,
		`{"derivation":"DRV","tags":[{"key":"\u0000","value":"\ud800"}]}`,
		"{\"derivation\":\"DRV\",\"tags\":[{\"key\":\"\xff\"}]}",
	} {
		f.Add(strings.ReplaceAll(body, "DRV", string(drv)))
	}
	handler := clientapi.Handler(common.Coordinator, common.Stream(), coordinatortest.Operator{}, http.NotFoundHandler())
	f.Fuzz(func(t *testing.T, body string) {
		farm := common.For(t)
		before := farm.Dump()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/builds", strings.NewReader(body)))
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("got the body %q, want JSON", w.Body)
		}
		switch w.Code {
		case http.StatusOK:
			for _, table := range []string{"build_tags", "builds"} {
				farm.Exec("DELETE FROM " + table)
			}
		case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge:
			if farm.Dump() != before {
				t.Errorf("refused with %d, but the database changed", w.Code)
			}
		default:
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
