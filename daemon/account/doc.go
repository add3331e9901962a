// Package account works out what there is to say of a collection: what builds,
// what fails, what that blocks, and since when. It is pure: a history goes in,
// an account comes out.
//
// What became of a derivation is a fact about it and not about a time. So the
// state of a package at an earlier evaluation is what became, until now, of the
// derivation that it had then.
package account
