package atlas

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
)

// List names a list of restore jobs. Jobs are listed under the cluster whose backup is restored; the cluster that a
// job writes into is a field of the job.
type List struct {
	ProjectID   string // 24 hex digits
	ClusterName string
	BackupType  BackupType
}

// Page is a page of a list.
type Page struct {
	Jobs       []RestoreJob // in Atlas' order, which is not documented
	TotalCount Count        // of jobs on all pages, as Atlas counts them
	Last       bool         // no page comes after this one

	Malformed    int      // jobs that could not be read, and are left out
	MalformedErr error    // why, for one of them; never quotes what was read
	Unread       []string // their ids, as far as those could be read
}

// pageSize is the largest that Atlas allows.
const pageSize = 500

// route says how a backup type's jobs are asked for.
type route struct {
	list       string // path of the list below the project, %s stands for the cluster's name; a job's path is /id below
	version    string // of the resource
	set        string // of endpoints that share one of Atlas' token buckets
	totalCount bool   // whether includeCount is a parameter of the list
	fields     []string
	page       func([]byte, *words) (Page, error)
	job        func([]byte, *words) (RestoreJob, error)
}

var routes = map[BackupType]route{
	Dedicated: {
		list: "/clusters/%s/backup/restoreJobs", version: "2023-01-01", set: "cloud_backups", totalCount: true,
		fields: []string{"delivery_type"},
		page:   decodePage[dedicatedJob], job: decodeJob[dedicatedJob],
	},
	Collection: {
		list: "/clusters/%s/collectionRestoreJobs", version: "2025-03-12", set: "collection_restores",
		fields: []string{"state"},
		page:   decodePage[collectionJob], job: decodeJob[collectionJob],
	},
	Flex: {
		list: "/flexClusters/%s/backup/restoreJobs", version: "2024-11-13", set: "flex_restores", totalCount: true,
		fields: []string{"delivery_type", "status"},
		page:   decodePage[flexJob], job: decodeJob[flexJob],
	},
	Serverless: {
		list: "/serverless/%s/backup/restoreJobs", version: "2023-01-01", set: "serverless_backups", totalCount: true,
		fields: []string{"delivery_type"},
		page:   decodePage[dedicatedJob], job: decodeJob[dedicatedJob],
	},
	Legacy: {
		list: "/clusters/%s/restoreJobs", version: "2023-01-01", set: "cloud_backups", totalCount: true,
		fields: []string{"delivery_method_name", "delivery_status_name", "status_name"},
		page:   decodePage[legacyJob], job: decodeJob[legacyJob],
	},
}

// The endpoints that are not restore jobs, besides one for each ClusterKind.
const (
	EndpointToken    = "token"
	EndpointProject  = "project"
	EndpointProjects = "projects"
)

func listEndpoint(backupType BackupType) string { return string(backupType) + "_list" }

func jobEndpoint(backupType BackupType) string { return string(backupType) + "_job" }

// Endpoints lists the words by which an Observer is told what was asked: for each backup type one for the list and one
// for a single job, the project, and the lists of projects and clusters. EndpointToken is not among them.
func Endpoints() []string {
	endpoints := []string{EndpointProject, EndpointProjects, string(DedicatedClusters), string(FlexClusters)}
	for _, backupType := range BackupTypes() {
		endpoints = append(endpoints, listEndpoint(backupType), jobEndpoint(backupType))
	}
	return endpoints
}

// UnknownValueFields lists the fields that hold one of a documented list of words, as an Observer names them.
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

// RestoreJobs reads a list page by page, each when it is asked for. It ends at the last page, or with an error: see
// get for which. Pages are asked for by number, links in answers are never followed, and the number of pages is not
// bounded here. New jobs can shift pages while they are read, so that a job appears twice.
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
	route, what, err := c.restoreCall(list)
	if err != nil {
		return Page{}, err
	}
	query := pageQuery(number, pageSize)
	if route.totalCount {
		query.Set("includeCount", "true")
	}
	what.endpoint, what.query = listEndpoint(list.BackupType), query.Encode()
	body, err := c.get(ctx, what)
	if err != nil {
		return Page{}, err
	}
	var words words
	page, err := route.page(body, &words)
	if err != nil {
		return Page{}, &MalformedError{Endpoint: what.endpoint, Err: err}
	}
	c.report(ctx, list, words)
	if page.Malformed > 0 {
		c.observer.MalformedJobs(list.BackupType, page.Malformed)
	}
	return page, nil
}

// pageQuery asks for a page of a list, of which there are so many items on each.
func pageQuery(number, size int) url.Values {
	return url.Values{"pageNum": {strconv.Itoa(number)}, "itemsPerPage": {strconv.Itoa(size)}}
}

// RestoreJob reads a single job of a list. Error.JobNotFound tells a job that is gone from other reasons of a 404.
func (c *Client) RestoreJob(ctx context.Context, list List, id string) (RestoreJob, error) {
	route, what, err := c.restoreCall(list)
	if err != nil {
		return RestoreJob{}, err
	}
	what.endpoint = jobEndpoint(list.BackupType)
	what.path += "/" + url.PathEscape(id)
	body, err := c.get(ctx, what)
	if err != nil {
		return RestoreJob{}, err
	}
	var words words
	job, err := route.job(body, &words)
	if err == nil && job.ID != id {
		err = fmt.Errorf("another job than %s", id)
	}
	if err != nil {
		c.observer.MalformedJobs(list.BackupType, 1)
		return RestoreJob{}, &MalformedError{Endpoint: what.endpoint, Err: err, Job: json.Valid(body)}
	}
	c.report(ctx, list, words)
	return job, nil
}

// restoreCall returns what all requests for a list have in common.
func (c *Client) restoreCall(list List) (route, call, error) {
	route, ok := routes[list.BackupType]
	if !ok {
		return route, call{}, fmt.Errorf("unknown backup type %q", list.BackupType)
	}
	path := projectPath(list.ProjectID) + fmt.Sprintf(route.list, url.PathEscape(list.ClusterName))
	return route, call{set: route.set, projectID: list.ProjectID, path: path, version: route.version}, nil
}

const projectsPath = "/api/atlas/v2/groups"

func projectPath(projectID string) string { return projectsPath + "/" + url.PathEscape(projectID) }

// report tells of words that Atlas does not document, and logs each once.
func (c *Client) report(ctx context.Context, list List, words words) {
	for _, unknown := range words {
		unknown.field = string(list.BackupType) + "_" + unknown.field
		c.observer.UnknownValue(unknown.field)
		if c.firstTime(unknown) {
			c.logger.LogAttrs(ctx, slog.LevelWarn, "unknown word in atlas' answer",
				slog.String("field", unknown.field), slog.String("word", unknown.word),
				slog.String("project_id", list.ProjectID), slog.String("cluster_name", list.ClusterName))
		}
	}
}

func (c *Client) firstTime(unknown unknownWord) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.logged[unknown]; known || len(c.logged) >= maxLogged {
		return false
	}
	c.logged[unknown] = struct{}{}
	return true
}

// ProjectName reads the name of a project.
func (c *Client) ProjectName(ctx context.Context, projectID string) (string, error) {
	body, err := c.get(ctx, call{
		endpoint: EndpointProject, set: "projects", projectID: projectID,
		path: projectPath(projectID), version: "2023-01-01",
	})
	if err != nil {
		return "", err
	}
	var project struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(body, &project); err != nil {
		return "", &MalformedError{Endpoint: EndpointProject, Err: err}
	}
	return cleanLabel(project.Name), nil
}
