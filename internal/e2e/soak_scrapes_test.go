package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
)

// expositionFormat is a format of the metrics, and the check that a response is complete.
type expositionFormat struct {
	name, header, value string
	decode              func(body []byte) (text []byte, err error)
}

const protobuf = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

var expositionFormats = []expositionFormat{
	{"text", "Accept", "text/plain", func(body []byte) ([]byte, error) { return body, nil }},
	{"gzip", "Accept-Encoding", "gzip", decompress},
	{"OpenMetrics", "Accept", "application/openmetrics-text; version=1.0.0", func(body []byte) ([]byte, error) {
		if !bytes.HasSuffix(body, []byte("\n# EOF\n")) {
			return nil, errors.New("the end is missing")
		}
		return body, nil
	}},
	{"protobuf", "Accept", protobuf, splitMessages},
}

func decompress(body []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

// splitMessages checks that a body consists of whole protobuf messages, each after its length.
func splitMessages(body []byte) ([]byte, error) {
	for rest := body; len(rest) > 0; {
		size, length := binary.Uvarint(rest)
		if length <= 0 || size > uint64(len(rest)-length) {
			return nil, errors.New("the last message is truncated")
		}
		rest = rest[length+int(size):]
	}
	return body, nil
}

// scrape requests the metrics in a format, and checks that the response is complete.
func (s *soak) scrape(client *http.Client, format expositionFormat) {
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.url+"/metrics", http.NoBody)
	if err != nil {
		s.Error(err)
		return
	}
	request.Header.Set(format.header, format.value)
	response, err := client.Do(request)
	if err != nil {
		s.Errorf("%s: %v", format.name, err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil {
		body, err = format.decode(body)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		s.Errorf("%s: %s, %v", format.name, response.Status, err)
	} else if !bytes.Contains(body, []byte("mongodbatlas_restore_target_info")) {
		s.Errorf("%s: no metrics of targets", format.name)
	}
	s.count("scrapes: " + format.name)
}
