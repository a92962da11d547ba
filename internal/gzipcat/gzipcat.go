// Package gzipcat concatenates separately compressed texts into one gzip stream.
//
// A large response of which only small parts change can be served without compressing all of it again: each part is
// compressed once to a Block, Join concatenates Blocks without copying them, and Serve sends the result. It is a single
// gzip member (RFC 1952), because some clients ignore all members but the first.
//
// Three facts make this possible:
//
//   - A DEFLATE stream is a sequence of blocks, and a flush ends one on a byte boundary. The data of a text refer to no
//     data before them, because each text is compressed separately.
//   - Only the last block of a stream is marked as final. If it is empty (finalBlock), it can be removed, so that the
//     data of another text can follow.
//   - The trailer of a gzip member contains the length and the CRC-32 of the whole text. Both can be computed from
//     those of the parts, see crc32Combine.
package gzipcat

import (
	"bytes"
	"hash/crc32"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"
)

// finalBlock is an empty stored block that is marked as final (RFC 1951, section 3.2.4): three header bits, padding,
// and the length 0 with its complement.
var finalBlock = []byte{1, 0, 0, 0xff, 0xff}

// Block is a compressed text that can be part of a DEFLATE stream. It is immutable. The zero Block is an empty text.
type Block struct {
	data []byte // a DEFLATE stream without finalBlock
	size int64  // length of the text
	sum  uint32 // CRC-32 of the text
}

// Len returns the length of the text in bytes.
func (b *Block) Len() int64 { return b.size }

// Sequence is the concatenated text of several Blocks. It shares their data. It is immutable. The zero Sequence is an
// empty text.
type Sequence struct {
	parts  [][]byte // the data of the Blocks
	length int      // of all parts
	size   int64    // length of the text
	sum    uint32   // CRC-32 of the text
}

// Join returns the concatenated texts of several Blocks.
func Join(blocks []Block) Sequence {
	s := Sequence{parts: make([][]byte, 0, len(blocks))}
	for i := range blocks {
		block := &blocks[i]
		s.parts, s.length = append(s.parts, block.data), s.length+len(block.data)
		s.sum = crc32Combine(s.sum, block.sum, block.size)
		s.size += block.size
	}
	return s
}

// Len returns the length of the text in bytes.
func (s *Sequence) Len() int64 { return s.size }

// Text returns the text. The error is always nil, unless the memory of a Block is corrupt.
func (s *Sequence) Text() ([]byte, error) {
	text := bytes.NewBuffer(make([]byte, 0, s.size))
	err := s.writeText(text)
	return text.Bytes(), err
}

// level is the compression level. Higher levels take longer and save little for the text of metrics.
const level = 2

type compressor struct {
	writer *flate.Writer
	stream bytes.Buffer // destination of writer
}

var compressors = sync.Pool{New: func() any {
	writer, err := flate.NewWriter(nil, level)
	if err != nil {
		panic(err) // the level is invalid
	}
	return &compressor{writer: writer}
}}

// Compress compresses a text.
func Compress(text []byte) Block {
	c := compressors.Get().(*compressor) //nolint:forcetypeassert // the pool contains only compressors
	defer compressors.Put(c)
	c.stream.Reset()
	c.writer.Reset(&c.stream)
	_, _ = c.writer.Write(text) // writing to a bytes.Buffer returns no error
	_ = c.writer.Flush()
	return Block{bytes.Clone(c.stream.Bytes()), int64(len(text)), crc32.ChecksumIEEE(text)}
}

var decompressors = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// writeText writes the text.
func (s *Sequence) writeText(w io.Writer) error {
	if s.size == 0 {
		return nil
	}
	reader := decompressors.Get().(io.ReadCloser) //nolint:forcetypeassert // the pool contains only readers
	defer decompressors.Put(reader)
	stream := &partsReader{parts: append(slices.Clip(s.parts), finalBlock)}
	if err := reader.(flate.Resetter).Reset(stream, nil); err != nil { //nolint:forcetypeassert // documented by NewReader
		return err
	}
	_, err := io.Copy(w, reader)
	return err
}

// partsReader reads concatenated parts. As an io.ByteReader, it needs no buffer between itself and the decompressor.
type partsReader struct{ parts [][]byte }

func (r *partsReader) Read(p []byte) (int, error) {
	if !r.next() {
		return 0, io.EOF
	}
	n := copy(p, r.parts[0])
	r.parts[0] = r.parts[0][n:]
	return n, nil
}

func (r *partsReader) ReadByte() (byte, error) {
	if !r.next() {
		return 0, io.EOF
	}
	c := r.parts[0][0]
	r.parts[0] = r.parts[0][1:]
	return c, nil
}

// next skips parts that were read, and reports whether any is left.
func (r *partsReader) next() bool {
	for len(r.parts) > 0 && len(r.parts[0]) == 0 {
		r.parts = r.parts[1:]
	}
	return len(r.parts) > 0
}
