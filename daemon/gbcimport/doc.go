// Package gbcimport reads a database of the Guix Build Coordinator into ours.
//
// Little is certain of upstream's tables, so this looks first at what there
// is: what is missing or makes no sense is left out and counted, each kind of
// it with one line in the report. All else becomes ours in one transaction.
// What is there already stays as it is, so that a second import adds only
// what is new in the file.
//
// Trust: the file belongs to who runs the import, but nothing in it is
// believed before it is checked. It holds passwords in clear; we keep salted
// hashes. Loss: none; the file is only read. The same holds for the files of
// the builds' logs, which are copied when all else is ours.
package gbcimport
