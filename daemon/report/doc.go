// Package report shows accounts of collections: as text for a terminal, as CSV,
// as web pages that need no script to be read, as an Atom feed and as a badge.
package report
