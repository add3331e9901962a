package datastore

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// appendIDs sorts row numbers and packs them: each as the difference to the one
// before, as an unsigned varint of encoding/binary. What is used together was
// mostly stored together, so that a number takes one or two bytes.
func appendIDs(packed []byte, ids []int64) []byte {
	slices.Sort(ids)
	last := int64(0) // which is no row's
	for _, id := range ids {
		if id != last {
			packed = binary.AppendUvarint(packed, uint64(id-last))
			last = id
		}
	}
	return packed
}

// unpackIDs appends to ids what appendIDs has packed.
func unpackIDs(ids []int64, packed []byte) ([]int64, error) {
	last := int64(0)
	for len(packed) > 0 {
		step, n := binary.Uvarint(packed)
		if n <= 0 {
			return ids, fmt.Errorf("a list of row numbers is damaged")
		}
		last += int64(step)
		ids = append(ids, last)
		packed = packed[n:]
	}
	return ids, nil
}
