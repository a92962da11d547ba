package gzipcat

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-openapi/runtime/server-middleware/negotiate/header"
)

// gzipHeader is the header of a gzip member without a name and a modification time (RFC 1952, section 2.3).
var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// Serve writes a response with the given texts, followed by end. The response is compressed if the client
// accepts gzip. Serve compresses only end. It sets Content-Encoding and Content-Length; the caller sets all other
// headers, such as Vary. The error is that of the client's connection.
func Serve(w http.ResponseWriter, r *http.Request, texts []Sequence, end []byte) error {
	if AcceptsGzip(r) {
		return serveGzip(w, r, texts, end)
	}
	length := int64(len(end))
	for i := range texts {
		length += texts[i].size
	}
	w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	for i := range texts {
		if err := texts[i].writeText(w); err != nil {
			return err
		}
	}
	_, err := w.Write(end)
	return err
}

// ServeText writes an uncompressed response with several texts. See Serve for headers and the error.
func ServeText(w http.ResponseWriter, r *http.Request, texts ...[]byte) error {
	length := 0
	for _, text := range texts {
		length += len(text)
	}
	w.Header().Set("Content-Length", strconv.Itoa(length))
	if r.Method == http.MethodHead {
		return nil
	}
	return write(w, texts)
}

func serveGzip(w http.ResponseWriter, r *http.Request, texts []Sequence, end []byte) error {
	all := append(slices.Clip(texts), Join([]Block{Compress(end)}))
	length, size, sum := len(gzipHeader), int64(0), uint32(0)
	for i := range all {
		length, size, sum = length+all[i].length, size+all[i].size, crc32Combine(sum, all[i].sum, all[i].size)
	}
	// The end of the stream, and the trailer of the member (RFC 1952, section 2.3.1).
	tail := binary.LittleEndian.AppendUint32(bytes.Clone(finalBlock), sum)
	tail = binary.LittleEndian.AppendUint32(tail, uint32(size)) // RFC 1952: modulo 2^32
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Content-Length", strconv.Itoa(length+len(tail)))
	if r.Method == http.MethodHead {
		return nil
	}
	all = append(all, Sequence{parts: [][]byte{tail}})
	for _, text := range slices.Insert(all, 0, Sequence{parts: [][]byte{gzipHeader}}) {
		if err := write(w, text.parts); err != nil {
			return err
		}
	}
	return nil
}

func write(w io.Writer, parts [][]byte) error {
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// AcceptsGzip reports whether a client accepts gzip (RFC 9110, section 12.5.3). "*" matches gzip only if the header
// doesn't list gzip. A client that sends no such header gets an uncompressed response.
func AcceptsGzip(r *http.Request) bool {
	accepted := false
	for _, coding := range header.ParseAccept2(r.Header, "Accept-Encoding") {
		switch coding.Value {
		case "gzip":
			return coding.Q > 0
		case "*":
			accepted = coding.Q > 0
		}
	}
	return accepted
}
