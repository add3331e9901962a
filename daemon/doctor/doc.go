// Package doctor looks whether all is there that a farm needs: what people
// otherwise find out one by one, when the first build fails. It changes
// nothing.
//
// Each check is a function that returns findings: what was looked at, what is
// there and, if that is not as it should be, what to do. No check fails in
// another way, and each ends within its time limit.
package doctor
