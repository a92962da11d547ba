package atlas

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// This file decodes pages and jobs of all wire formats. Keys must have the documented case. If a key of an object is
// repeated, it is not clear which value applies: a field of a job is omitted, and any other object is malformed.
// Invalid UTF-8 is replaced. Errors never quote the response, which may contain links.

var (
	errNoResults    = errors.New("missing list of results")
	errNoJobs       = errors.New("no item is a restore job")
	errNotJob       = errors.New("restore job is not an object")
	errJobID        = errors.New("missing or invalid restore job id")
	errTooManyItems = errors.New("too many items for a page")
	errTruncated    = errors.New("unexpected end of JSON")
	errErrorBody    = errors.New("error in a response with status 200")
)

// Options of package json. Lenient ones accept repeated keys.
var (
	strict  = jsontext.AllowInvalidUTF8(true)
	lenient = json.JoinOptions(strict, jsontext.AllowDuplicateNames(true))
)

// Limits on memory that a page can allocate: a small body can contain very many very small items.
const (
	maxItems   = 2 * maxPageSize
	minJobSize = 400     // bytes, of most jobs
	maxCommas  = 200_000 // a job has about 25, and 5 more for each shard of a download
)

// wireJob is a restore job in a wire format of Atlas.
type wireJob interface {
	// job converts the job. It adds undocumented values and implausible times to found.
	job(found *findings) RestoreJob
}

// wirePage is a page of any list.
type wirePage[T any] struct {
	pageFields

	Results []T `json:"results"`
}

// jobPage is a page of restore jobs.
type jobPage[W wireJob] struct {
	pageFields

	Results jobItems[W] `json:"results"`
}

// pageFields are the fields of a page except its items.
type pageFields struct {
	TotalCount Count `json:"totalCount"`
	Links      []struct {
		Rel interned `json:"rel"`
	} `json:"links"`

	// Fields of an error, which a proxy may send with status 200.
	ErrorCode present     `json:"errorCode"`
	Error     present     `json:"error"`
	Errors    present     `json:"errors"`
	Detail    present     `json:"detail"`
	Reason    present     `json:"reason"`
	Status    errorStatus `json:"status"`
}

// check returns an error unless the page is a list with at most maxItems items.
func (p *pageFields) check(isList bool, items int) error {
	switch {
	case bool(p.ErrorCode || p.Error || p.Errors || p.Detail || p.Reason || present(p.Status)):
		return errErrorBody
	case !isList:
		return errNoResults
	case items > maxItems:
		return errTooManyItems
	}
	return nil
}

func (p *pageFields) hasNext() bool {
	for _, link := range p.Links {
		if link.Rel == "next" {
			return true
		}
	}
	return false
}

// last reports whether no page follows: there is no link to a next page, or the page is empty.
func (p *pageFields) last(items int) bool { return !p.hasNext() || items == 0 }

// cut reports whether the page is empty although it has a link to a next page. Items may be missing.
func (p *pageFields) cut(items int) bool { return p.hasNext() && items == 0 }

// apply sets the fields of a page except its jobs.
func (p *pageFields) apply(page *Page) {
	page.TotalCount, page.Last, page.Cut = p.TotalCount, p.last(page.Items), p.cut(page.Items)
}

// jobItems converts the items of a page to jobs one by one, without keeping them in the wire format.
type jobItems[W wireJob] struct {
	page   *Page
	found  *findings
	isList bool
}

// UnmarshalJSONFrom returns an error if the value is not a list, or if any field of an item can't be read.
func (j *jobItems[W]) UnmarshalJSONFrom(decoder *jsontext.Decoder) error {
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != jsontext.KindBeginArray {
		return cmp.Or(err, errNoResults)
	}
	j.isList = true
	var wire, empty W
	for decoder.PeekKind() != jsontext.KindEndArray {
		wire = empty
		if err := json.UnmarshalDecode(decoder, &wire); err != nil {
			return err
		}
		if j.page.Items++; j.page.Items > maxItems {
			return errTooManyItems
		}
		j.page.add(convertJob(wire, j.found))
	}
	_, err := decoder.ReadToken()
	return err
}

// checkNoError returns an error if the body of a single job or project is an error with status 200. Unlike a page, a
// job may have fields such as reason.
func checkNoError(body []byte) error {
	var fields struct {
		ErrorCode present     `json:"errorCode"`
		Error     errorStatus `json:"error"`
	}
	if json.Unmarshal(body, &fields, lenient) == nil && (bool(fields.ErrorCode) || bool(fields.Error)) {
		return errErrorBody
	}
	return nil
}

// decodePage decodes a page of restore jobs. If a job can't be decoded, the page is decoded again job by job, so that
// the other jobs are kept.
func decodePage[W wireJob](body []byte, found *findings) (Page, error) {
	if bytes.Count(body, []byte(",")) > maxCommas {
		return Page{}, errTooManyItems
	}
	foundBefore := *found
	page, err := decodeJobs[W](body, found)
	if err != nil {
		*found = foundBefore
		page, err = salvageJobs[W](body, found)
	}
	if err != nil {
		return Page{}, err
	}
	return page.validate()
}

// decodeJobs decodes a page of which every field can be read.
func decodeJobs[W wireJob](body []byte, found *findings) (Page, error) {
	page := Page{Jobs: make([]RestoreJob, 0, min(len(body)/minJobSize, maxPageSize))}
	decoded := jobPage[W]{Results: jobItems[W]{page: &page, found: found}}
	if err := json.Unmarshal(body, &decoded, strict); err != nil {
		return Page{}, err
	}
	decoded.apply(&page)
	return page, decoded.check(decoded.Results.isList, page.Items)
}

// salvageJobs decodes a page job by job.
func salvageJobs[W wireJob](body []byte, found *findings) (Page, error) {
	if err := checkKeys(body); err != nil {
		return Page{}, err
	}
	items, err := decodeItems[jsontext.Value](body, lenient)
	if err != nil {
		return Page{}, err
	}
	page := Page{Jobs: make([]RestoreJob, 0, len(items.Results)), Items: len(items.Results)}
	items.apply(&page)
	for _, item := range items.Results {
		page.add(decodeJob[W](item, found))
	}
	return page, nil
}

// checkKeys returns an error if a key of the outermost object is repeated.
func checkKeys(body []byte) error {
	decoder := jsontext.NewDecoder(bytes.NewReader(body), lenient)
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != jsontext.KindBeginObject {
		return cmp.Or(describe(err), errNoResults)
	}
	keys := map[string]bool{}
	for decoder.PeekKind() == jsontext.KindString {
		key, err := decoder.ReadToken()
		if err != nil {
			return describe(err)
		}
		name := key.String()
		if keys[name] {
			return fmt.Errorf("repeated key at byte %d", decoder.InputOffset())
		}
		keys[name] = true
		if err := decoder.SkipValue(); err != nil {
			return describe(err)
		}
	}
	return nil
}

// decodeItems decodes a page of any list, within the limits.
func decodeItems[T any](body []byte, options json.Options) (*wirePage[T], error) {
	if bytes.Count(body, []byte(",")) > maxCommas {
		return nil, errTooManyItems
	}
	var page wirePage[T]
	if err := json.Unmarshal(body, &page, options); err != nil {
		return nil, describe(err)
	}
	if err := page.check(page.Results != nil, len(page.Results)); err != nil {
		return nil, err
	}
	return &page, nil
}

// describe returns an error of package json without names and values of the response.
func describe(err error) error {
	for _, own := range []error{errCount, errNoResults, errTooManyItems} {
		if errors.Is(err, own) {
			return own
		}
	}
	syntactic, isSyntactic := errors.AsType[*jsontext.SyntacticError](err)
	semantic, isSemantic := errors.AsType[*json.SemanticError](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errTruncated
	case errors.Is(err, jsontext.ErrDuplicateName) && isSyntactic:
		return fmt.Errorf("repeated key at byte %d", syntactic.ByteOffset)
	case isSyntactic:
		return fmt.Errorf("invalid JSON at byte %d", syntactic.ByteOffset)
	case isSemantic:
		return fmt.Errorf("value of another type at byte %d", semantic.ByteOffset)
	}
	return errors.New("invalid JSON")
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
	err := json.Unmarshal(body, &wire, strict)
	if err != nil {
		if _, invalid := errors.AsType[*jsontext.SyntacticError](err); invalid && !errors.Is(err, jsontext.ErrDuplicateName) {
			return RestoreJob{}, describe(err)
		}
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
