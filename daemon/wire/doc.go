// Package wire is the messages of both HTTP APIs, the agents' and the
// clients', and the one place that knows their compatibility.
//
// The sources of the Guix Build Coordinator, its agent and BFFE were not at
// hand when this was written, and how they spell a field is for the most part
// likely, not certain. So what goes out has a doubtful field under every
// spelling, what comes in is read under every spelling, and a doubtful route
// is served under every path. Three tables say it all: [spellings] and
// [accepted] for fields, and [Routes] for paths. The rest of the farm uses
// the first spelling only, which is also the one in the struct tags here.
//
// When a real peer shows up that uses a spelling we lack, its request is
// logged as unknown; add the spelling to the table and a line to the golden
// test, and that is all.
package wire
