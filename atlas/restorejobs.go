package atlas

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"time"
)

// List identifies a list of restore jobs. A job is listed under the cluster whose backup is restored. The cluster that
// the job restores to is RestoreJob.TargetClusterName.
type List struct {
	ProjectID   string // 24 hex digits
	ClusterName string
	BackupType  BackupType
}

// Page is a page of a list.
type Page struct {
	Jobs       []RestoreJob // in the order of the response, which is not documented
	Items      int          // number of items, malformed ones included
	TotalCount Count        // number of jobs on all pages, according to Atlas
	Last       bool         // whether no page follows
	Cut        bool         // whether the page is empty although it has a link to a next page

	Malformed    int   // number of items that are not jobs or have no ID, and are left out
	MalformedErr error // for one of them; never quotes the response

	// Mark recognizes the same page in a later response. It is zero, and recognizes nothing, if anything about the page
	// must be reported each time: malformed jobs, omitted fields, unknown values, or a cut page.
	Mark PageMark
	// Unchanged is set if the page is the one that the passed mark recognizes. Only Last and Mark are set then.
	Unchanged bool
}

// PageMark identifies the content of a page of a list. It must be used only for the same page of the same list.
type PageMark struct {
	Hash uint64    // of the decompressed body, and of the secrets that were removed before it was decoded
	Size int       // of the body, in bytes
	Date Timestamp // of the response; the times in it are plausible then
	Last bool      // whether no page follows
}

// pageSeed is secret, so that no response can be made to look like another one.
var pageSeed = maphash.MakeSeed()

// markOf returns the mark of a response. Responses from which other secrets must be removed have another one.
func markOf(body []byte, secrets []string, date Timestamp) PageMark {
	var hash maphash.Hash
	hash.SetSeed(pageSeed)
	for _, secret := range secrets {
		_, _ = hash.WriteString(secret)
		_ = hash.WriteByte(0)
	}
	maphash.WriteComparable(&hash, maphash.Bytes(pageSeed, body)) // several times faster than hash.Write
	return PageMark{Hash: hash.Sum64(), Size: len(body), Date: date}
}

// matches reports whether decoding another response would have the same result as decoding the page of the mark. An
// earlier date could make times implausible.
func (m PageMark) matches(other PageMark) bool {
	return m.Size > 0 && m.Size == other.Size && m.Hash == other.Hash && other.Date >= m.Date
}

// mark sets the mark of a decoded page.
func (p *Page) mark(mark PageMark, found *findings) {
	if p.Malformed == 0 && !p.Cut && len(found.omitted)+len(found.unknown) == 0 {
		p.Mark, p.Mark.Last = mark, p.Last
	}
}

const (
	maxPageSize   = 500       // the largest that Atlas allows
	smallPageSize = 100       // for items of up to 160 KiB
	pageSizeLife  = time.Hour // of a smaller size, because a single response may have been too large
	maxLogged     = 1000      // unknown values, each of which is logged once
)

// route describes the resource of a backup type.
type route struct {
	list       string       // path below the project; %s is the cluster name. The path of a job is /id below.
	version    string       // of the resource
	bucket     string       // operations that share one token bucket of Atlas
	totalCount bool         // whether the list has the parameter includeCount
	enums      []string     // fields for which Atlas documents all values
	derived    []string     // times that are derived from IDs
	wire       reflect.Type // of a job
	page       func([]byte, *findings) (Page, error)
	job        func([]byte, *findings) (RestoreJob, error)
}

var routes = map[BackupType]route{
	Dedicated: {
		list: "/clusters/%s/backup/restoreJobs", version: "2023-01-01", bucket: "cloud_backups", totalCount: true,
		enums: []string{"delivery_type"}, derived: []string{fieldIDTime}, wire: reflect.TypeFor[dedicatedJob](),
		page: decodePage[dedicatedJob], job: decodeJob[dedicatedJob],
	},
	Collection: {
		list: "/clusters/%s/collectionRestoreJobs", version: "2025-03-12", bucket: "collection_restores",
		enums:   []string{"index_status_state", "state", "write_strategy"},
		derived: []string{fieldIDTime, fieldSnapshotIDTime}, wire: reflect.TypeFor[collectionJob](),
		page: decodePage[collectionJob], job: decodeJob[collectionJob],
	},
	Flex: {
		list: "/flexClusters/%s/backup/restoreJobs", version: "2024-11-13", bucket: "flex_restores", totalCount: true,
		enums: []string{"delivery_type", "status"}, derived: []string{fieldIDTime}, wire: reflect.TypeFor[flexJob](),
		page: decodePage[flexJob], job: decodeJob[flexJob],
	},
	Serverless: {
		list: "/serverless/%s/backup/restoreJobs", version: "2023-01-01", bucket: "serverless_backups", totalCount: true,
		enums: []string{"delivery_type"}, derived: []string{fieldIDTime}, wire: reflect.TypeFor[dedicatedJob](),
		page: decodePage[dedicatedJob], job: decodeJob[dedicatedJob],
	},
	Legacy: {
		list: "/clusters/%s/restoreJobs", version: "2023-01-01", bucket: "cloud_backups", totalCount: true,
		enums:   []string{"delivery_method_name", "delivery_status_name", "status_name"},
		derived: []string{fieldIDTime}, wire: reflect.TypeFor[legacyJob](),
		page: decodePage[legacyJob], job: decodeJob[legacyJob],
	},
}

// The operations that don't read restore jobs, besides one for each ClusterKind.
const (
	OperationToken    = "token"
	OperationProject  = "project"
	OperationProjects = "projects"
)

func listOperation(backupType BackupType) string { return string(backupType) + "_list" }

func jobOperation(backupType BackupType) string { return string(backupType) + "_job" }

// Operations returns the operations of a Client, as an Observer receives them: the list and the single job of each
// backup type, the project, and the lists of projects and clusters. OperationToken is not included.
func Operations() []string {
	operations := []string{OperationProject, OperationProjects, string(DedicatedClusters), string(FlexClusters)}
	for _, backupType := range BackupTypes() {
		operations = append(operations, listOperation(backupType), jobOperation(backupType))
	}
	return operations
}

// UnknownValueFields returns the fields for which Atlas documents all values, as an Observer receives them.
func UnknownValueFields() []string {
	var fields []string
	for _, backupType := range BackupTypes() {
		fields = append(fields, observedFields(backupType, routes[backupType].enums)...)
	}
	slices.Sort(fields)
	return fields
}

// MalformedFields returns the fields of jobs of a backup type that can be omitted, as an Observer receives them: all
// fields but the ID, and the times that are derived from IDs. The fields are sorted.
func MalformedFields(backupType BackupType) []string {
	r := routes[backupType]
	fields := observedFields(backupType, append(wireFields(r.wire, ""), r.derived...))
	slices.Sort(fields)
	return fields
}

// observedFields returns the names of fields as an Observer receives them.
func observedFields(backupType BackupType, fields []string) []string {
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = observedField(backupType, field)
	}
	return names
}

func observedField(backupType BackupType, field string) string {
	return string(backupType) + "_" + field
}

// RestoreJobs reads a list. It requests each page when the iteration reaches it. The iteration ends after the last
// page or an error. The number of pages is not limited here. A job can appear twice, because new jobs shift the pages.
// If a page is larger than the client reads, the next call requests smaller pages.
//
// The marks are those of the first pages of an earlier reading, in order. As long as the pages match their marks, they
// are unchanged and not decoded. All pages after the first one that doesn't match are decoded.
func (c *Client) RestoreJobs(ctx context.Context, list List, marks ...PageMark) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		size, unchanged := c.pageSize(list), true
		for number := 1; ; number++ {
			var mark PageMark
			if unchanged && number <= len(marks) {
				mark = marks[number-1]
			}
			page, err := c.page(ctx, list, number, size, mark)
			if errors.Is(err, errTooLarge) {
				c.changePageSize(list)
			}
			unchanged = page.Unchanged
			if !yield(page, err) || err != nil || page.Last {
				return
			}
		}
	}
}

// pageSize returns the number of items for each page of a list.
func (c *Client) pageSize(list List) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.smallPages[list]) {
		return smallPageSize
	}
	return maxPageSize
}

// changePageSize changes between large and small pages after a page was too large. Small pages are requested for
// pageSizeLife, because a single response may have been too large.
func (c *Client) changePageSize(list List) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.smallPages[list]) {
		delete(c.smallPages, list)
	} else {
		c.smallPages[list] = time.Now().Add(pageSizeLife)
	}
}

// page reads a page. It doesn't decode the page that the mark identifies.
func (c *Client) page(ctx context.Context, list List, number, size int, mark PageMark) (page Page, err error) {
	route, request, err := restoreRequest(list)
	if err != nil {
		return Page{}, err
	}
	query := pageQuery(number, size)
	if route.totalCount {
		query.Set("includeCount", "true")
	}
	request.operation, request.query = listOperation(list.BackupType), query.Encode()
	request.mark = &mark
	var found findings
	err = c.get(ctx, request, func(response response) (err error) {
		if response.unchanged {
			page = Page{Last: mark.Last, Mark: mark, Unchanged: true}
			return nil
		}
		found = findings{now: response.date}
		page, err = route.page(response.body, &found)
		page.mark(response.mark, &found)
		return err
	})
	if err != nil {
		return Page{}, err
	}
	c.report(ctx, list, &found)
	if page.Malformed > 0 {
		c.observer.MalformedJobs(list.BackupType, page.Malformed)
	}
	return page, nil
}

// RestoreJob reads one job of a list. If the job doesn't exist, the error is an *Error with JobNotFound. A response
// without the requested ID is a MalformedError.
func (c *Client) RestoreJob(ctx context.Context, list List, id string) (job RestoreJob, err error) {
	route, request, err := restoreRequest(list)
	if err != nil {
		return RestoreJob{}, err
	}
	request.operation, request.bucket.single = jobOperation(list.BackupType), true
	request.path += "/" + url.PathEscape(id)
	var found findings
	err = c.get(ctx, request, func(response response) (err error) {
		if err := checkNoError(response.body); err != nil {
			return err
		}
		found = findings{now: response.date}
		job, err = route.job(response.body, &found)
		if err == nil && job.ID != id {
			err = fmt.Errorf("response contains a different job than %s", id)
		}
		return err
	})
	if err != nil {
		return RestoreJob{}, err
	}
	c.report(ctx, list, &found)
	return job, nil
}

// restoreRequest returns the parts that all requests for a list have in common.
func restoreRequest(list List) (route, apiRequest, error) {
	route, ok := routes[list.BackupType]
	if !ok {
		return route, apiRequest{}, fmt.Errorf("unknown backup type %q", list.BackupType)
	}
	return route, apiRequest{
		bucket:  bucket{projectID: list.ProjectID, operations: route.bucket},
		path:    projectPath(list.ProjectID) + fmt.Sprintf(route.list, url.PathEscape(list.ClusterName)),
		version: route.version,
	}, nil
}

// report reports undocumented values and omitted fields, and logs each once.
func (c *Client) report(ctx context.Context, list List, found *findings) {
	if len(found.unknown)+len(found.omitted) == 0 {
		return
	}
	source := []slog.Attr{slog.String("project_id", list.ProjectID), slog.String("cluster_name", list.ClusterName)}
	for _, unknown := range found.unknown {
		field := observedField(list.BackupType, unknown.field)
		c.observer.UnknownValue(field)
		if c.shouldLog(logEntry{field: field, value: unknown.value}) {
			attrs := append([]slog.Attr{slog.String("field", field), slog.String("value", unknown.value)}, source...)
			c.logger.LogAttrs(ctx, slog.LevelWarn, "unknown value in atlas response", attrs...)
		}
	}
	for _, omitted := range found.omitted {
		field := observedField(list.BackupType, omitted)
		c.observer.MalformedField(field)
		if c.shouldLog(logEntry{field: field, omitted: true}) {
			attrs := append([]slog.Attr{slog.String("field", field)}, source...)
			c.logger.LogAttrs(ctx, slog.LevelWarn, "omitting unreadable or implausible field of restore job", attrs...)
		}
	}
}

// logEntry is a message about a field that is logged once.
type logEntry struct {
	field, value string
	omitted      bool // whether the field was omitted; it has no value then
}

// shouldLog reports whether an entry has not been logged yet. The number of unknown values is limited.
func (c *Client) shouldLog(entry logEntry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, logged := c.logged[entry]; logged || !entry.omitted && len(c.logged) >= maxLogged {
		return false
	}
	c.logged[entry] = struct{}{}
	return true
}
