// Package substitutes fetches store items from substitute servers: first the
// narinfo, which says what a server has, then the archive it points to.
//
// The coordinator uses it for derivations, which it gets from a
// server like data.guix.gnu.org; the servers speak the protocol of guix
// publish. In it an item is named by the hash part of its store path:
//
//	GET SUBSTITUTE-URL/HASH.narinfo
//	GET SUBSTITUTE-URL/nar/zstd/HASH-NAME    (what the narinfo says)
//
// # What is trusted
//
// A narinfo is believed if it is for the path that was asked for and if
// Client.Check has nothing against it; that is where signatures are verified.
// Of what it says, the hash and size of the archive then bind whoever delivers
// it: the URL, compression and file size, which are not signed, can only make a
// download fail. Servers can take no more memory than the limits here allow
// and cannot make a fetch last for ever.
//
// # Errors
//
// There are three kinds, because callers do three things. *NotFoundError: all
// servers have answered, and none has the item, so asking again is of no use.
// ErrUnavailable, for errors.Is: some server could not be asked, or did not
// deliver; it may later. Anything else needs a person: a bad signature, a wrong
// hash, a refusal. Nothing is retried here; who calls knows how long to wait.
// When the context ends, the error is the context's.
package substitutes
