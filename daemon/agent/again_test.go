package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRespell(t *testing.T) {
	urls := []string{"https://guix.example.org", "http://10.0.0.1:8080/", "https://example.org/guix/"}
	other := []string{"https://guix.example.org/", "http://10.0.0.1:8080", "https://example.org/guix"}
	if diff := cmp.Diff(other, respell(urls)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(urls, respell(respell(urls))); diff != "" {
		t.Errorf("twice (-want +got):\n%s", diff)
	}
}
