package atlas

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
)

// This file decodes pages and jobs of all wire formats. If a key of an object is repeated, the last value applies, as
// usual in encoding/json. Errors of jobs never quote the response, which may contain links.

var (
	errNoResults    = errors.New("missing list of results")
	errNoJobs       = errors.New("no item is a restore job")
	errNotJob       = errors.New("restore job is not an object")
	errJobID        = errors.New("missing or invalid restore job id")
	errTooManyItems = errors.New("too many items for a page")
	errErrorBody    = errors.New("error in a response with status 200")
)

// Limits on memory that a page can allocate: a small body can contain very many very small items.
const (
	maxItems  = 2 * maxPageSize
	maxCommas = 200_000 // a job has about 25, and 5 more for each shard of a download
)

// wireJob is a restore job in a wire format of Atlas.
type wireJob interface {
	// job converts the job. It adds undocumented values and implausible times to found.
	job(found *findings) RestoreJob
}

// wirePage is a page of any list.
type wirePage[T any] struct {
	Results    []T   `json:"results"`
	TotalCount Count `json:"totalCount"`
	Links      []struct {
		Rel string `json:"rel"`
	} `json:"links"`

	// Fields of an error, which a proxy may send with status 200.
	ErrorCode present     `json:"errorCode"`
	Error     present     `json:"error"`
	Errors    present     `json:"errors"`
	Detail    present     `json:"detail"`
	Reason    present     `json:"reason"`
	Status    errorStatus `json:"status"`
}

func (p *wirePage[T]) isError() bool {
	return bool(p.ErrorCode || p.Error || p.Errors || p.Detail || p.Reason || present(p.Status))
}

// checkNoError returns an error if the body of a single job or project is an error with status 200. Unlike a page, a job
// may have fields such as reason.
func checkNoError(body []byte) error {
	var fields struct {
		ErrorCode present     `json:"errorCode"`
		Error     errorStatus `json:"error"`
	}
	if json.Unmarshal(body, &fields) == nil && (bool(fields.ErrorCode) || bool(fields.Error)) {
		return errErrorBody
	}
	return nil
}

func (p *wirePage[T]) hasNext() bool {
	for _, link := range p.Links {
		if link.Rel == "next" {
			return true
		}
	}
	return false
}

// last reports whether no page follows: there is no link to a next page, or the page is empty.
func (p *wirePage[T]) last() bool { return !p.hasNext() || len(p.Results) == 0 }

// cut reports whether the page is empty although it has a link to a next page. Items may be missing.
func (p *wirePage[T]) cut() bool { return p.hasNext() && len(p.Results) == 0 }

// page converts the page without its jobs.
func (p *wirePage[T]) page() Page {
	n := len(p.Results)
	return Page{Jobs: make([]RestoreJob, 0, n), Items: n, TotalCount: p.TotalCount, Last: p.last(), Cut: p.cut()}
}

// decodePage decodes a page of restore jobs. If a job can't be decoded, the page is decoded again job by job, so that
// the other jobs are kept.
func decodePage[W wireJob](body []byte, found *findings) (Page, error) {
	if whole, err := decodeItems[W](body); err == nil {
		page := whole.page()
		for _, wire := range whole.Results {
			page.add(convertJob(wire, found))
		}
		return page.validate()
	}
	items, err := decodeItems[json.RawMessage](body)
	if err != nil {
		return Page{}, err
	}
	page := items.page()
	for _, item := range items.Results {
		page.add(decodeJob[W](item, found))
	}
	return page.validate()
}

// decodeItems decodes a page of any list, within the limits.
func decodeItems[T any](body []byte) (*wirePage[T], error) {
	if bytes.Count(body, []byte(",")) > maxCommas {
		return nil, errTooManyItems
	}
	var page wirePage[T]
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, err
	}
	if page.isError() {
		return nil, errErrorBody
	}
	if page.Results == nil {
		return nil, errNoResults
	}
	if len(page.Results) > maxItems {
		return nil, errTooManyItems
	}
	return &page, nil
}

// validate rejects a page that has items but no job. If it were accepted as a page without jobs, known jobs would be
// removed.
func (p Page) validate() (Page, error) {
	if p.Malformed > 0 && len(p.Jobs) == 0 {
		return Page{}, errNoJobs
	}
	return p, nil
}

// add appends a job, or counts it as malformed.
func (p *Page) add(job RestoreJob, err error) {
	if err != nil {
		p.Malformed++
		p.MalformedErr = err
		return
	}
	p.Jobs = append(p.Jobs, job)
}

// decodeJob decodes a job. If a field can't be read, the other fields are kept.
func decodeJob[W wireJob](body []byte, found *findings) (RestoreJob, error) {
	if bytes.Count(body, []byte(",")) > maxCommas {
		return RestoreJob{}, errTooManyItems
	}
	var wire W
	err := json.Unmarshal(body, &wire)
	if _, invalid := errors.AsType[*json.SyntaxError](err); !invalid && err != nil {
		wire, err = salvageJob[W](body, found)
	}
	if err != nil {
		return RestoreJob{}, err
	}
	return convertJob(wire, found)
}

// convertJob converts a job, sanitizes its strings, and derives missing fields.
func convertJob[W wireJob](wire W, found *findings) (RestoreJob, error) {
	job := wire.job(found)
	if !isValidID(job.ID) {
		found.discardJob()
		return RestoreJob{}, errJobID
	}
	if job.Created == 0 {
		job.Created = found.time(fieldIDTime, timeOfID(job.ID))
	}
	if job.RecoveryPoint == 0 {
		job.RecoveryPoint = cmp.Or(job.PointInTime, job.Snapshot)
	}
	if job.DeliveryType == DeliveryDownload {
		job.TargetProjectID, job.TargetClusterName = "", ""
	}
	job.BatchID = sanitizeLabel(job.BatchID)
	job.SnapshotID = sanitizeLabel(job.SnapshotID)
	job.TargetProjectID = sanitizeLabel(job.TargetProjectID)
	job.TargetClusterName = sanitizeLabel(job.TargetClusterName)
	found.nextJob()
	return job, nil
}
