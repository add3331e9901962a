package wire

import (
	"net/url"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
)

func TestLogChunksArriveAsTheyWereSent(t *testing.T) {
	for query, chunk := range map[string]LogChunk{
		"offset=0&restart=1":        {Restart: true},
		"offset=4294967296":         {Offset: 1 << 32},
		"offset=512&size=1024":      {Offset: 512, Final: true, Size: 1024},
		"offset=0&restart=1&size=0": {Restart: true, Final: true},
	} {
		if got := chunk.Query(); got != query {
			t.Errorf("%+v: got %q, want %q", chunk, got, query)
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseLogChunk(values); err != nil || got != chunk {
			t.Errorf("%q: got %+v, %v, want %+v", query, got, err, chunk)
		}
	}
	for _, query := range []string{"", "offset=", "offset=-1", "offset=x", "offset=9223372036854775808", "offset=0&size=", "size=1"} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseLogChunk(values); daemon.CodeOf(err) != daemon.Invalid {
			t.Errorf("%q: got %+v, %v, want it refused", query, got, err)
		}
	}
}
