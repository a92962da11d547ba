package collector

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
)

// This file knows how parts of a text that were deflated one by one become one gzip member.

// block is a text, deflated such that it can stand in the middle of a deflate stream.
type block struct {
	data []byte
	size int64  // of the text
	sum  uint32 // CRC-32 of the text
}

// deflateLevel is where more effort saves little of these texts.
const deflateLevel = 2

// deflater is a writer, and where it writes to.
type deflater struct {
	writer *flate.Writer
	data   bytes.Buffer
}

var deflaters = sync.Pool{New: func() any {
	writer, err := flate.NewWriter(nil, deflateLevel)
	if err != nil {
		panic(err) // there is no such level
	}
	return &deflater{writer: writer}
}}

// deflate returns a text as a block. The last block of a stream differs from the others.
func deflate(text []byte, last bool) block {
	d := deflaters.Get().(*deflater) //nolint:forcetypeassert // nothing else is in the pool
	defer deflaters.Put(d)
	d.data.Reset()
	d.writer.Reset(&d.data)
	_, _ = d.writer.Write(text) // no error comes from a buffer
	if last {
		_ = d.writer.Close()
	} else {
		_ = d.writer.Flush()
	}
	return block{bytes.Clone(d.data.Bytes()), int64(len(text)), crc32.ChecksumIEEE(text)}
}

// joined returns some blocks as one, with an emptyEnd behind it.
func joined(blocks []block) *block {
	length := len(emptyEnd)
	for _, next := range blocks {
		length += len(next.data)
	}
	whole := &block{data: make([]byte, 0, length)}
	for i := range blocks {
		whole.data = append(whole.data, blocks[i].data...)
		whole.extend(&blocks[i])
	}
	whole.data = append(whole.data, emptyEnd...)
	return whole
}

// extend has a block stand for a text that goes on with another block's. The data are the caller's business.
func (b *block) extend(next *block) {
	b.sum = sumOfBoth(b.sum, next.sum, next.size)
	b.size += next.size
}

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// emptyEnd is a last block without text.
var emptyEnd = []byte{1, 0, 0, 0xff, 0xff}

// inflate writes the text of a block behind which there is an emptyEnd.
func inflate(w io.Writer, data []byte) error {
	reader := inflaters.Get().(io.ReadCloser) //nolint:forcetypeassert // nothing else is in the pool
	defer inflaters.Put(reader)
	if err := reader.(flate.Resetter).Reset(bytes.NewReader(data), nil); err != nil { //nolint:forcetypeassert // documented
		return err
	}
	_, err := io.Copy(w, reader)
	return err
}

// gzipHeader is that of a member without name and time.
var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// send answers with some blocks, behind each of which there is an emptyEnd, and a text: deflated, for whoever accepts
// gzip.
func send(w http.ResponseWriter, r *http.Request, blocks []*block, end []byte) error {
	if acceptsGzip(r.Header) {
		return sendGzip(w, r, blocks, end)
	}
	length := int64(len(end))
	for _, block := range blocks {
		length += block.size
	}
	w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	for _, block := range blocks {
		if err := inflate(w, block.data); err != nil {
			return err
		}
	}
	_, err := w.Write(end) //nolint:gosec // metrics as text, and served as such
	return err
}

func sendGzip(w http.ResponseWriter, r *http.Request, blocks []*block, end []byte) error {
	parts, length := [][]byte{gzipHeader}, len(gzipHeader)
	var whole block
	add := func(part []byte, next *block) {
		parts, length = append(parts, part), length+len(part)
		whole.extend(next)
	}
	for _, block := range blocks {
		add(block.data[:len(block.data)-len(emptyEnd)], block)
	}
	last := deflate(end, true)
	add(last.data, &last)
	trailer := binary.LittleEndian.AppendUint32(nil, whole.sum)
	trailer = binary.LittleEndian.AppendUint32(trailer, uint32(whole.size)) //nolint:gosec // modulo 2^32, as specified
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Content-Length", strconv.Itoa(length+len(trailer)))
	if r.Method == http.MethodHead {
		return nil
	}
	for _, part := range append(parts, trailer) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// acceptsGzip reports whether a client takes gzip.
func acceptsGzip(header http.Header) bool {
	for coding := range strings.SplitSeq(strings.Join(header.Values("Accept-Encoding"), ","), ",") {
		name, parameters, _ := strings.Cut(coding, ";")
		weight, weighted := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		if name = strings.TrimSpace(name); name == "gzip" || name == "*" {
			q, err := strconv.ParseFloat(weight, 64)
			return !weighted || (err == nil && q > 0)
		}
	}
	return false
}

// sumOfBoth returns the CRC-32 of two texts, one after the other, from that of each and the length of the second.
//
// A CRC is the remainder of a polynomial over GF(2). To put bytes behind a text multiplies it by x to the power of their
// bits; so that is done with its remainder, and the remainder of the second text is added. The bit of highest value is
// the coefficient of x^0.
func sumOfBoth(first, second uint32, length int64) uint32 {
	shift := uint32(1) << 31 // x^0
	for bit := 3; length > 0; bit, length = bit+1, length>>1 {
		if length&1 != 0 {
			shift = multiply(powers[bit%len(powers)], shift)
		}
	}
	return multiply(shift, first) ^ second
}

// powers are x^(2^i). They repeat, since x^(2^32) is x.
var powers = func() (table [32]uint32) {
	table[0] = 1 << 30 // x^1
	for i := 1; i < len(table); i++ {
		table[i] = multiply(table[i-1], table[i-1])
	}
	return table
}()

// multiply returns the product of two polynomials, modulo that of the checksum.
func multiply(a, b uint32) uint32 {
	var product uint32
	for bit := uint32(1) << 31; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		if b >>= 1; carry != 0 {
			b ^= crc32.IEEE
		}
	}
	return product
}
