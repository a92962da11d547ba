package atlas

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"time"
	"unicode/utf8"
	"unique"
)

// This file has the parts that the decoders of all wire formats share: pages, and the types of single fields. Fields
// accept absent values, null, [] and objects of nulls, because recorded responses have them. Errors never quote the
// response, which may contain links.

var (
	errNoResults    = errors.New("missing list of results")
	errNoJobs       = errors.New("no item is a restore job")
	errJobID        = errors.New("missing or invalid restore job id")
	errDate         = errors.New("invalid date")
	errTooManyItems = errors.New("too many items for a page")
)

// Limits on memory that a page can allocate: a small body can contain very many very small items.
const (
	maxItems  = 2 * pageSize
	maxCommas = 200_000 // a job has about 25, and 5 more for each shard of a download
)

// wireJob is a restore job in a wire format of Atlas.
type wireJob interface {
	// job converts the job. It adds undocumented values to unknown.
	job(unknown *unknownValues) RestoreJob
}

// unknownValue is a value that is not in the documented list of the field.
type unknownValue struct{ field, value string }

type unknownValues []unknownValue

func (u *unknownValues) add(field string, value interned) {
	*u = append(*u, unknownValue{field: field, value: sanitizeLabel(string(value))})
}

// wirePage is a page of any list.
type wirePage[T any] struct {
	Results    []T   `json:"results"`
	TotalCount Count `json:"totalCount"`
	Links      []struct {
		Rel string `json:"rel"`
	} `json:"links"`
}

// last reports whether no page follows: there is no link to a next page, or the page is empty.
func (p *wirePage[T]) last() bool {
	for _, link := range p.Links {
		if link.Rel == "next" {
			return len(p.Results) == 0
		}
	}
	return true
}

// page converts the page without its jobs.
func (p *wirePage[T]) page() Page {
	n := len(p.Results)
	return Page{Jobs: make([]RestoreJob, 0, n), Items: n, TotalCount: p.TotalCount, Last: p.last()}
}

// decodePage decodes a page of restore jobs. If a job can't be decoded, the page is decoded again job by job, so that
// the other jobs are kept.
func decodePage[W wireJob](body []byte, unknown *unknownValues) (Page, error) {
	if whole, err := decodeItems[W](body); err == nil {
		page := whole.page()
		for _, wire := range whole.Results {
			page.add(convertJob(wire, unknown))
		}
		return page.validate()
	}
	items, err := decodeItems[json.RawMessage](body)
	if err != nil {
		return Page{}, err
	}
	page := items.page()
	for _, item := range items.Results {
		job, err := decodeJob[W](item, unknown)
		page.add(job, err)
		if err != nil {
			page.addUnreadableID(item)
		}
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
	if page.Results == nil {
		return nil, errNoResults
	}
	if len(page.Results) > maxItems {
		return nil, errTooManyItems
	}
	return &page, nil
}

// validate rejects a page that has items but no job ID. If it were accepted as a page without jobs, known jobs would
// be removed.
func (p Page) validate() (Page, error) {
	if p.Malformed > 0 && len(p.Jobs)+len(p.UnreadableIDs) == 0 {
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

// addUnreadableID records the ID of a malformed job, if it has a valid one.
func (p *Page) addUnreadableID(item json.RawMessage) {
	var job struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(item, &job) == nil && isValidID(job.ID) {
		p.UnreadableIDs = append(p.UnreadableIDs, job.ID)
	}
}

func decodeJob[W wireJob](body []byte, unknown *unknownValues) (RestoreJob, error) {
	var wire W
	if err := json.Unmarshal(body, &wire); err != nil {
		return RestoreJob{}, err
	}
	return convertJob(wire, unknown)
}

// convertJob converts a job, sanitizes its strings, and derives missing fields.
func convertJob[W wireJob](wire W, unknown *unknownValues) (RestoreJob, error) {
	job := wire.job(unknown)
	if !isValidID(job.ID) {
		return RestoreJob{}, errJobID
	}
	if job.Created == 0 {
		job.Created = createdFromID(job.ID)
	}
	if job.DeliveryType == DeliveryDownload {
		job.TargetProjectID, job.TargetClusterName = "", ""
	}
	job.BatchID = sanitizeLabel(job.BatchID)
	job.SnapshotID = sanitizeLabel(job.SnapshotID)
	job.TargetProjectID = sanitizeLabel(job.TargetProjectID)
	job.TargetClusterName = sanitizeLabel(job.TargetClusterName)
	return job, nil
}

// UnmarshalJSON accepts a date and null. Dates before 1970, such as the zero date, are treated as absent.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var date time.Time
	if err := date.UnmarshalJSON(data); err != nil {
		return errDate
	}
	*t = TimestampOf(date)
	return nil
}

// UnmarshalJSON accepts a nonnegative integer and null.
func (c *Count) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var n int64
	if err := json.Unmarshal(data, &n); err != nil || n < 0 {
		return errors.New("invalid count")
	}
	*c = CountOf(n)
	return nil
}

// wireBSONTime is a BSON timestamp. Only its date is used.
type wireBSONTime struct {
	Date Timestamp `json:"date"`
}

// interned is a string with few distinct values, such as an enumeration or the name of a cluster. Each value is stored
// once, so decoding it again allocates nothing.
type interned string

// UnmarshalJSON accepts a string and null.
func (s *interned) UnmarshalJSON(data []byte) error {
	if !isPlainString(data) {
		return json.Unmarshal(data, (*string)(s))
	}
	*s = interned(unique.Make(string(data[1 : len(data)-1])).Value())
	return nil
}

// isPlainString reports whether a JSON value is an ASCII string without escapes.
func isPlainString(data []byte) bool {
	if len(data) == 0 || data[0] != '"' {
		return false
	}
	for _, c := range data[1 : len(data)-1] {
		if c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// wireLinks counts links without keeping them.
type wireLinks int32

func (l wireLinks) count() uint16 { return uint16(min(l, math.MaxUint16)) } //nolint:gosec // never negative

// UnmarshalJSON accepts a string, a list of strings, and null.
func (l *wireLinks) UnmarshalJSON(data []byte) error {
	if *l = 0; string(data) == "[]" {
		return nil
	}
	var list []string
	if len(data) > 0 && data[0] == '"' {
		list = make([]string, 1)
		if err := json.Unmarshal(data, &list[0]); err != nil {
			return errors.New("invalid link")
		}
	} else if err := json.Unmarshal(data, &list); err != nil {
		return errors.New("invalid list of links")
	}
	for _, link := range list {
		if link != "" {
			*l++
		}
	}
	return nil
}

// firstNonZero returns the first timestamp that is set.
func firstNonZero(times ...Timestamp) Timestamp {
	for _, t := range times {
		if t > 0 {
			return t
		}
	}
	return 0
}
