package lzip

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// dictionaryLimit is the largest dictionary that a Reader allocates. What
// lzip -9, and with it guix publish, uses is 32 MiB; twice that leaves room
// for who tunes his server, and a server that lies costs no more. Memory is
// taken before the first byte of data, so this is also what each open Reader
// may cost.
const dictionaryLimit = 64 << 20

// A Reader decompresses an lzip file. It needs the memory of the file's
// dictionary, 64 MiB at most. The first error is kept and returned ever
// after.
type Reader struct {
	in     *source
	data   *lzma.Reader // of the current member; nil between members
	err    error
	begun  bool // there has been a member
	member memberSums

	// The dictionaries of all members, against the data of all members,
	// in bytes. See allowDictionary.
	dictionaries, out int64
}

// memberSums is what the trailer is compared with.
type memberSums struct {
	crc  uint32
	size int64
}

// NewReader returns a Reader of the lzip file in r, which ends where r does.
// It reads ahead.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: &source{r: bufio.NewReaderSize(r, 32<<10)}}
}

// Read returns data as they are decompressed. They are known to be right only
// when it has returned io.EOF: all members were complete, their checksums and
// sizes right, and nothing else followed.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.err == nil {
		if r.data == nil {
			r.keep(r.startMember())
			continue
		}
		n, err := r.data.Read(p)
		r.member.crc = crc32.Update(r.member.crc, crc32.IEEETable, p[:n])
		r.member.size += int64(n)
		r.out += int64(n)
		if err == io.EOF {
			err = r.endMember()
		}
		r.keep(err)
		if n > 0 {
			return n, nil
		}
	}
	return 0, r.err
}

func (r *Reader) keep(err error) {
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read lzip: %w", err)
	}
	r.err = err
}

// startMember reads the header of the next member. It returns io.EOF if there
// is none.
func (r *Reader) startMember() error {
	r.in.n = 0
	if r.begun {
		if _, err := r.in.r.Peek(1); err != nil {
			return err // io.EOF is in its place here
		}
	}
	var h [headerSize]byte
	if _, err := io.ReadFull(r.in, h[:]); err != nil {
		return err
	}
	if string(h[:4]) != magic {
		if r.begun {
			return errTrailing
		}
		return errors.New("it is not an lzip file")
	}
	if h[4] != version {
		return fmt.Errorf("version %d is not known", h[4])
	}
	size, err := dictionarySize(h[5])
	if err != nil {
		return err
	}
	if err := r.allowDictionary(size); err != nil {
		return err
	}
	// The limit is both the least that 0.5.12 allocates and the most that
	// 0.5.15 does, so it is the header's own.
	r.in.header = lzmaHeader(size)
	r.data, err = lzma.ReaderConfig{DictCap: size}.NewReader(r.in)
	r.begun, r.member = true, memberSums{}
	return err
}

// allowDictionary refuses dictionaries that are out of proportion. One member
// can have any up to the limit. But a member without data takes 36 bytes, so
// a file of nothing else would have us allocate a dictionary for each of
// them: together they may exceed the limit only by eight times the data. What
// splits files (plzip, lzip -b, tarlz) stays below one dictionary a member of
// at least that size, or has small dictionaries for small members.
func (r *Reader) allowDictionary(size int) error {
	if size > dictionaryLimit {
		return fmt.Errorf("a dictionary of %d bytes is larger than %d", size, dictionaryLimit)
	}
	r.dictionaries += int64(size)
	if r.dictionaries > dictionaryLimit+8*r.out {
		return errors.New("the dictionaries are out of proportion to the data")
	}
	return nil
}

// endMember compares the data with the trailer.
func (r *Reader) endMember() error {
	r.data = nil
	var t [trailerSize]byte
	if _, err := io.ReadFull(r.in, t[:]); err != nil {
		return err
	}
	switch {
	case binary.LittleEndian.Uint32(t[:]) != r.member.crc:
		return errors.New("the checksum is wrong")
	case binary.LittleEndian.Uint64(t[4:]) != uint64(r.member.size):
		return errors.New("the size of the data is wrong")
	case binary.LittleEndian.Uint64(t[12:]) != uint64(r.in.n):
		return errors.New("the size of the member is wrong")
	}
	return nil
}

// A source gives package lzma the header it wants and then the bytes of the
// file, one by one, and counts these.
type source struct {
	header []byte
	r      *bufio.Reader
	n      int64
}

func (s *source) Read(p []byte) (int, error) {
	if len(s.header) > 0 {
		n := copy(p, s.header)
		s.header = s.header[n:]
		return n, nil
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	return n, cutOff(err)
}

func (s *source) ReadByte() (byte, error) {
	if len(s.header) > 0 {
		b := s.header[0]
		s.header = s.header[1:]
		return b, nil
	}
	b, err := s.r.ReadByte()
	if err != nil {
		return 0, cutOff(err)
	}
	s.n++
	return b, nil
}

// cutOff makes of the end of the file an error: within a member it always
// comes too early. Package lzma must not see io.EOF, which it would pass on
// as the end of the data when it meets it in the first bytes of a stream.
func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
