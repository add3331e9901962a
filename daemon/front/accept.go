package front

import (
	"strconv"
	"strings"
)

// acceptsGzip reads Accept-Encoding headers: gzip must be named, or "*", and
// its weight must not be zero.
func acceptsGzip(headers []string) bool {
	best := false
	for _, part := range strings.Split(strings.Join(headers, ","), ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "x-gzip" && coding != "*" {
			continue
		}
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(parameters, " ", "")), "q="); ok {
			weight, _ = strconv.ParseFloat(q, 64)
		}
		if coding != "*" {
			return weight > 0
		}
		best = weight > 0
	}
	return best
}
