package atlas

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/url"
	"slices"
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

	Malformed     int      // number of jobs that can't be decoded and are left out
	MalformedErr  error    // for one of them; never quotes the response
	UnreadableIDs []string // valid IDs of malformed jobs
}

const (
	pageSize  = 500  // the largest that Atlas allows
	maxLogged = 1000 // unknown values, each of which is logged once
)

// route describes the resource of a backup type.
type route struct {
	list       string // path below the project; %s is the cluster name. The path of a job is /id below.
	version    string // of the resource
	bucket     string // operations that share one token bucket of Atlas
	totalCount bool   // whether the list has the parameter includeCount
	fields     []string
	page       func([]byte, *unknownValues) (Page, error)
	job        func([]byte, *unknownValues) (RestoreJob, error)
}

var routes = map[BackupType]route{
	Dedicated: {
		list: "/clusters/%s/backup/restoreJobs", version: "2023-01-01", bucket: "cloud_backups", totalCount: true,
		fields: []string{"delivery_type"},
		page:   decodePage[dedicatedJob], job: decodeJob[dedicatedJob],
	},
	Collection: {
		list: "/clusters/%s/collectionRestoreJobs", version: "2025-03-12", bucket: "collection_restores",
		fields: []string{"state"},
		page:   decodePage[collectionJob], job: decodeJob[collectionJob],
	},
	Flex: {
		list: "/flexClusters/%s/backup/restoreJobs", version: "2024-11-13", bucket: "flex_restores", totalCount: true,
		fields: []string{"delivery_type", "status"},
		page:   decodePage[flexJob], job: decodeJob[flexJob],
	},
	Serverless: {
		list: "/serverless/%s/backup/restoreJobs", version: "2023-01-01", bucket: "serverless_backups", totalCount: true,
		fields: []string{"delivery_type"},
		page:   decodePage[dedicatedJob], job: decodeJob[dedicatedJob],
	},
	Legacy: {
		list: "/clusters/%s/restoreJobs", version: "2023-01-01", bucket: "cloud_backups", totalCount: true,
		fields: []string{"delivery_method_name", "delivery_status_name", "status_name"},
		page:   decodePage[legacyJob], job: decodeJob[legacyJob],
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
		for _, field := range routes[backupType].fields {
			fields = append(fields, string(backupType)+"_"+field)
		}
	}
	slices.Sort(fields)
	return fields
}

// RestoreJobs reads a list. It requests each page when the iteration reaches it. The iteration ends after the last
// page or an error. The number of pages is not limited here. A job can appear twice, because new jobs shift the pages.
func (c *Client) RestoreJobs(ctx context.Context, list List) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for number := 1; ; number++ {
			page, err := c.page(ctx, list, number)
			if !yield(page, err) || err != nil || page.Last {
				return
			}
		}
	}
}

func (c *Client) page(ctx context.Context, list List, number int) (Page, error) {
	route, request, err := restoreRequest(list)
	if err != nil {
		return Page{}, err
	}
	query := pageQuery(number, pageSize)
	if route.totalCount {
		query.Set("includeCount", "true")
	}
	request.operation, request.query = listOperation(list.BackupType), query.Encode()
	body, err := c.get(ctx, request)
	if err != nil {
		return Page{}, err
	}
	var unknown unknownValues
	page, err := route.page(body, &unknown)
	if err != nil {
		return Page{}, &MalformedError{Operation: request.operation, Err: err}
	}
	c.reportUnknown(ctx, list, unknown)
	if page.Malformed > 0 {
		c.observer.MalformedJobs(list.BackupType, page.Malformed)
	}
	return page, nil
}

// RestoreJob reads one job of a list. If the job doesn't exist, the error is an *Error with JobNotFound.
func (c *Client) RestoreJob(ctx context.Context, list List, id string) (RestoreJob, error) {
	route, request, err := restoreRequest(list)
	if err != nil {
		return RestoreJob{}, err
	}
	request.operation = jobOperation(list.BackupType)
	request.path += "/" + url.PathEscape(id)
	body, err := c.get(ctx, request)
	if err != nil {
		return RestoreJob{}, err
	}
	var unknown unknownValues
	job, err := route.job(body, &unknown)
	if err == nil && job.ID != id {
		err = fmt.Errorf("response contains a different job than %s", id)
	}
	if err != nil {
		c.observer.MalformedJobs(list.BackupType, 1)
		return RestoreJob{}, &MalformedError{Operation: request.operation, Err: err, Job: json.Valid(body)}
	}
	c.reportUnknown(ctx, list, unknown)
	return job, nil
}

// restoreRequest returns the parts that all requests for a list have in common.
func restoreRequest(list List) (route, apiRequest, error) {
	route, ok := routes[list.BackupType]
	if !ok {
		return route, apiRequest{}, fmt.Errorf("unknown backup type %q", list.BackupType)
	}
	return route, apiRequest{
		bucket:  bucket{list.ProjectID, route.bucket},
		path:    projectPath(list.ProjectID) + fmt.Sprintf(route.list, url.PathEscape(list.ClusterName)),
		version: route.version,
	}, nil
}

// reportUnknown reports undocumented values, and logs each once.
func (c *Client) reportUnknown(ctx context.Context, list List, values unknownValues) {
	for _, unknown := range values {
		unknown.field = string(list.BackupType) + "_" + unknown.field
		c.observer.UnknownValue(unknown.field)
		if c.shouldLog(unknown) {
			c.logger.LogAttrs(ctx, slog.LevelWarn, "unknown value in atlas response",
				slog.String("field", unknown.field), slog.String("value", unknown.value),
				slog.String("project_id", list.ProjectID), slog.String("cluster_name", list.ClusterName))
		}
	}
}

// shouldLog reports whether an unknown value has not been logged yet.
func (c *Client) shouldLog(unknown unknownValue) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, logged := c.logged[unknown]; logged || len(c.logged) >= maxLogged {
		return false
	}
	c.logged[unknown] = struct{}{}
	return true
}
