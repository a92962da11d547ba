// Package gzipcat concatenates separately compressed texts into one gzip stream.
//
// A large response of which only small parts change can be served without compressing all of it again: each part is
// compressed once to a Block, Join concatenates Blocks, and Serve sends them. The result is a single gzip member
// (RFC 1952), because some clients ignore all members but the first.
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
	"sync"

	"github.com/klauspost/compress/flate"
)

// finalBlock is an empty stored block that is marked as final (RFC 1951, section 3.2.4): three header bits, padding,
// and the length 0 with its complement.
var finalBlock = []byte{1, 0, 0, 0xff, 0xff}

// Block is a compressed text that can be part of a DEFLATE stream. It is immutable. The zero Block is an empty text.
type Block struct {
	stream []byte // a DEFLATE stream that ends with finalBlock; nil in the zero Block
	size   int64  // length of the text
	sum    uint32 // CRC-32 of the text
}

// Len returns the length of the text in bytes.
func (b Block) Len() int64 { return b.size }

// data returns the stream without its final block.
func (b *Block) data() []byte { return b.stream[:max(len(b.stream)-len(finalBlock), 0)] }

// extend updates the size and the checksum for an appended Block. The caller appends its data.
func (b *Block) extend(next *Block) {
	b.sum = crc32Combine(b.sum, next.sum, next.size)
	b.size += next.size
}

// Join returns a Block of the concatenated texts of several Blocks.
func Join(blocks []Block) Block {
	length := len(finalBlock)
	for i := range blocks {
		length += len(blocks[i].data())
	}
	joined := Block{stream: make([]byte, 0, length)}
	for i := range blocks {
		joined.stream = append(joined.stream, blocks[i].data()...)
		joined.extend(&blocks[i])
	}
	joined.stream = append(joined.stream, finalBlock...)
	return joined
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
	_, _ = c.stream.Write(finalBlock)
	return Block{bytes.Clone(c.stream.Bytes()), int64(len(text)), crc32.ChecksumIEEE(text)}
}

// Text returns the text. The error is always nil, unless the memory of the Block is corrupt.
func (b *Block) Text() ([]byte, error) {
	text := bytes.NewBuffer(make([]byte, 0, b.size))
	err := b.writeText(text)
	return text.Bytes(), err
}

var decompressors = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// writeText writes the text.
func (b *Block) writeText(w io.Writer) error {
	if b.size == 0 {
		return nil
	}
	reader := decompressors.Get().(io.ReadCloser) //nolint:forcetypeassert // the pool contains only readers
	defer decompressors.Put(reader)
	stream := bytes.NewReader(b.stream)
	if err := reader.(flate.Resetter).Reset(stream, nil); err != nil { //nolint:forcetypeassert // documented by NewReader
		return err
	}
	_, err := io.Copy(w, reader)
	return err
}
