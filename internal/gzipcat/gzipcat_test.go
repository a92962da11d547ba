package gzipcat

import (
	"bytes"
	"compress/gzip"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

func blocksOf(texts ...string) []Block {
	var blocks []Block
	for _, text := range texts {
		blocks = append(blocks, Compress([]byte(text)))
	}
	return blocks
}

// serve returns the response to a request with the given Accept-Encoding. Its text ends with "end".
func serve(t *testing.T, method, acceptEncoding string, blocks []Block) (http.Header, []byte) {
	t.Helper()
	request := httptest.NewRequest(method, "/", http.NoBody)
	request.Header.Set("Accept-Encoding", acceptEncoding)
	recorder := httptest.NewRecorder()
	if err := Serve(recorder, request, []Sequence{Join(blocks), {}, Join(blocks)}, []byte("end")); err != nil {
		t.Fatal(err)
	}
	return recorder.Header(), recorder.Body.Bytes()
}

// gunzip decompresses the first member, as clients do that ignore all others.
func gunzip(t *testing.T, data []byte) string {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	reader.Multistream(false)
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestServe_SendsOneGzipMemberWithAllTexts(t *testing.T) {
	long := strings.Repeat("a_metric{label=\"value\"} 1.0\n", 10_000)
	blocks := blocksOf("first\n", "", long)
	header, body := serve(t, http.MethodGet, "gzip", append(blocks, Block{}))
	if text := gunzip(t, body); text != "first\n"+long+"first\n"+long+"end" {
		t.Errorf("got %d bytes of text: %.50s", len(text), text)
	}
	if header.Get("Content-Encoding") != "gzip" || header.Get("Content-Length") != strconv.Itoa(len(body)) {
		t.Errorf("got %v for %d bytes", header, len(body))
	}
}

func TestServe_SendsPlainTextIfGzipIsNotAccepted(t *testing.T) {
	blocks := blocksOf("first\n", "", "second\n")
	header, body := serve(t, http.MethodGet, "identity", append(blocks, Block{}))
	if string(body) != "first\nsecond\nfirst\nsecond\nend" {
		t.Errorf("got %q", body)
	}
	if header.Get("Content-Encoding") != "" || header.Get("Content-Length") != strconv.Itoa(len(body)) {
		t.Errorf("got %v for %d bytes", header, len(body))
	}
}

func TestServe_SendsOnlyHeadersForHEAD(t *testing.T) {
	blocks := blocksOf("first\n", "second\n")
	for _, encoding := range []string{"gzip", "identity"} {
		head, body := serve(t, http.MethodHead, encoding, blocks)
		whole, _ := serve(t, http.MethodGet, encoding, blocks)
		if len(body) != 0 || head.Get("Content-Length") != whole.Get("Content-Length") {
			t.Errorf("%s: %d bytes, Content-Length %s; want %s", encoding, len(body),
				head.Get("Content-Length"), whole.Get("Content-Length"))
		}
	}
}

func TestServe_ReturnsErrorsOfTheConnection(t *testing.T) {
	for _, encoding := range []string{"gzip", "identity"} {
		request := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		request.Header.Set("Accept-Encoding", encoding)
		err := Serve(closedConnection{}, request, []Sequence{Join(blocksOf("first"))}, nil)
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", encoding, err)
		}
	}
}

type closedConnection struct{}

func (closedConnection) Header() http.Header       { return http.Header{} }
func (closedConnection) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (closedConnection) WriteHeader(int)           {}

func TestServeText_SendsTheTextsOfBlocks(t *testing.T) {
	var texts [][]byte
	for _, block := range append(blocksOf("first\n", "", strings.Repeat("second\n", 1000)), Block{}) {
		joined := Join([]Block{block})
		text, err := joined.Text()
		if err != nil || int64(len(text)) != block.Len() || joined.Len() != block.Len() || cap(text) != len(text) {
			t.Errorf("%d bytes with capacity %d, want %d; error %v", len(text), cap(text), block.Len(), err)
		}
		texts = append(texts, text)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		recorder := httptest.NewRecorder()
		if err := ServeText(recorder, httptest.NewRequest(method, "/", http.NoBody), texts...); err != nil {
			t.Error(err)
		}
		want := "first\n" + strings.Repeat("second\n", 1000)
		if recorder.Header().Get("Content-Length") != strconv.Itoa(len(want)) {
			t.Errorf("%s: Content-Length %s", method, recorder.Header().Get("Content-Length"))
		}
		if method == http.MethodHead {
			want = ""
		}
		if recorder.Body.String() != want {
			t.Errorf("%s: %d bytes", method, recorder.Body.Len())
		}
	}
}

func TestServeText_ReturnsErrorsOfTheConnection(t *testing.T) {
	request := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	if err := ServeText(closedConnection{}, request, []byte("text")); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

func TestAcceptsGzip_FollowsRFC9110(t *testing.T) {
	for _, test := range []struct {
		values []string // of Accept-Encoding
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"gzip"}, true},
		{[]string{"GZIP"}, true},
		{[]string{"gzip;q=1.0"}, true},
		{[]string{"gzip;Q=0.001"}, true},
		{[]string{"gzip ; q=0.5"}, true},
		{[]string{"deflate, gzip;q=1.0, *;q=0.5"}, true},
		{[]string{"br", "gzip"}, true},
		{[]string{"gzip;q=0"}, false},
		{[]string{"Gzip; q=0.000"}, false},
		{[]string{"identity"}, false},
		{[]string{"br"}, false},
		{[]string{"x-gzip"}, false},
		{[]string{"gzipped"}, false},
		{[]string{"*"}, true},
		{[]string{"*;q=0"}, false},
		{[]string{"*;q=0, gzip"}, true},
		{[]string{"gzip, *;q=0"}, true},
		{[]string{"gzip;q=0, *"}, false},
		{[]string{"*, gzip;q=0"}, false},
		{[]string{"gzip; q=0.0, *;q=0"}, false},
		{[]string{"identity;q=1, *;q=0"}, false},
		// Malformed headers don't disable compression of the codings that can be read.
		{[]string{"gzip;q=x"}, false},
		{[]string{"gzip;q=2"}, false},
		{[]string{"gzip;q=-1"}, false},
		{[]string{",;=, gzip"}, true},
		{[]string{"(), gzip"}, true},
	} {
		if got := AcceptsGzip(&http.Request{Header: http.Header{"Accept-Encoding": test.values}}); got != test.want {
			t.Errorf("Accept-Encoding %q: got %t, want %t", test.values, got, test.want)
		}
	}
}

func TestCRC32Combine_EqualsTheChecksumOfTheWholeText(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		text := make([]byte, random.IntN(5000))
		for i := range text {
			text[i] = byte(random.Int())
		}
		cut := random.IntN(len(text) + 1)
		first, second := text[:cut], text[cut:]
		got := crc32Combine(crc32.ChecksumIEEE(first), crc32.ChecksumIEEE(second), int64(len(second)))
		if want := crc32.ChecksumIEEE(text); got != want {
			t.Fatalf("%d and %d bytes: got %x, want %x", len(first), len(second), got, want)
		}
	}
}

// The powers repeat at 2^29 bytes.
func TestCRC32Combine_WorksBeyondTwoToThe29Bytes(t *testing.T) {
	zeros := make([]byte, 1<<20)
	first := crc32.ChecksumIEEE([]byte("x"))
	whole, second := first, uint32(0)
	for range 600 {
		whole = crc32.Update(whole, crc32.IEEETable, zeros)
		second = crc32.Update(second, crc32.IEEETable, zeros)
	}
	if got := crc32Combine(first, second, 600<<20); got != whole {
		t.Errorf("got %x, want %x", got, whole)
	}
}
