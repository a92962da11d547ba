package atlastest

import (
	"compress/gzip"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// response is a status, headers, and a body that is encoded as JSON. If body is nil, the response has none.
type response struct {
	status  int
	version string // of the resource; if empty, the content type is plain JSON
	header  http.Header
	body    any
}

// gzipWriters are reused because each one allocates nearly 1 MiB.
var gzipWriters = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is valid
	}
	return w
}}

// write sends the response, compressed if the client accepts gzip.
func (re response) write(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Server", "mdbws")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", "application/json")
	if re.version != "" {
		header.Set("Content-Type", "application/vnd.atlas."+re.version+"+json;charset=utf-8")
	}
	maps.Copy(header, re.header)
	if re.body == nil {
		w.WriteHeader(re.status)
		return
	}
	body, err := json.Marshal(re.body)
	if err != nil {
		panic(err) // a Job.Raw that is not JSON
	}
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Encoding", "gzip")
		w.WriteHeader(re.status)
		compressed := gzipWriters.Get().(*gzip.Writer)
		defer gzipWriters.Put(compressed)
		compressed.Reset(w)
		_, _ = compressed.Write(body)
		_ = compressed.Close()
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(re.status)
	_, _ = w.Write(body)
}

// errorResponse returns an ApiError of Atlas.
func errorResponse(status int, code, detail string, parameters ...any) response {
	if parameters == nil {
		parameters = []any{}
	}
	return response{status: status, body: map[string]any{
		"detail": detail, "error": status, "errorCode": code, "parameters": parameters,
		"reason": http.StatusText(status),
	}}
}

func resourceNotFound(r *http.Request) response {
	return errorResponse(http.StatusNotFound, "RESOURCE_NOT_FOUND", "Cannot find resource "+r.URL.Path+".")
}

// pageResponse returns the requested page of a list.
func pageResponse[T any](r *http.Request, items []T, render func(T) any) response {
	query := r.URL.Query()
	number, err1 := intParameter(query, "pageNum", 1, 1<<30)
	size, err2 := intParameter(query, "itemsPerPage", 100, 500)
	if err1 != nil || err2 != nil {
		return errorResponse(http.StatusBadRequest, "INVALID_QUERY_PARAMETER", "Invalid query parameter specified.")
	}
	results := []any{}
	for _, item := range items[min((number-1)*size, len(items)):min(number*size, len(items))] {
		results = append(results, render(item))
	}
	links := []any{link(r.URL.RequestURI(), "self")}
	addLink := func(number int, rel string) {
		query.Set("pageNum", strconv.Itoa(number))
		links = append(links, link(r.URL.Path+"?"+query.Encode(), rel))
	}
	if number > 1 {
		addLink(number-1, "previous")
	}
	if number*size < len(items) {
		addLink(number+1, "next")
	}
	body := map[string]any{"links": links, "results": results}
	if query.Get("includeCount") != "false" {
		body["totalCount"] = len(items)
	}
	return response{status: http.StatusOK, body: body}
}

func intParameter(query url.Values, name string, defaultValue, maxValue int) (int, error) {
	if !query.Has(name) {
		return defaultValue, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	if err == nil && (n < 1 || n > maxValue) {
		err = strconv.ErrRange
	}
	return n, err
}

func link(path, rel string) map[string]any {
	return map[string]any{"href": "https://cloud.mongodb.com" + path, "rel": rel}
}
