// Package datastore keeps the farm's state in one SQLite file.
//
// The file is the truth: whatever the daemon acknowledges has been committed
// here first, and everything it holds in memory can be rebuilt from here.
// Trust: whoever can write the file controls the farm; it holds salted
// hashes of passwords, no passwords, and has the mode 0600.
// Size: about 1 kB a build and 600 bytes a derivation. Loss: the history of
// builds and the agents' credentials are gone; nothing that was built is.
//
// Each query is a file in sql/, named as the method that uses it; the tables
// are made by the numbered files in migrations/.
package datastore
