package front

import "testing"

// Whatever a client accepts, it accepts gzip only if it says so.
func FuzzAcceptsGzip(f *testing.F) {
	for _, header := range []string{"", "gzip", "gzip;q=0", "*;q=0.5", "br, gzip ; q=1", "gzip;q=1e999", ";,;q=,=", "x-gzip;q=NaN"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if acceptsGzip([]string{"identity", header, "gzip;q=0"}) && !acceptsGzip([]string{header}) {
			t.Fatalf("%q: refusing gzip makes it accepted", header)
		}
		if acceptsGzip([]string{"gzip;q=0", header}) {
			t.Fatalf("%q after a refusal is accepted", header)
		}
	})
}
