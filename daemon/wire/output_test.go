package wire

import (
	"net/url"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
)

func TestPartsOfOutputsArriveAsTheyWereSent(t *testing.T) {
	for query, part := range map[string]OutputPart{
		"":                            {Offset: -1}, // as upstream's agent
		"hash=sha256%3A0sg9":          {Offset: -1, Hash: "sha256:0sg9"},
		"hash=sha256%3A0sg9&offset=7": {Offset: 7, Hash: "sha256:0sg9"},
		"offset=0":                    {},
	} {
		if got := part.Query(); got != query {
			t.Errorf("%+v: got %q, want %q", part, got, query)
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseOutputPart(values); err != nil || got != part {
			t.Errorf("%q: got %+v, %v, want %+v", query, got, err, part)
		}
	}
	if _, err := ParseOutputPart(url.Values{"offset": {"-7"}}); daemon.CodeOf(err) != daemon.Invalid {
		t.Errorf("a negative offset: got %v, want it refused", err)
	}
}
