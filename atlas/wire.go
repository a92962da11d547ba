package atlas

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
	"unique"
)

// This file holds what the decoders of all backup types share: the page around the jobs, and the types of single
// fields, which accept what real answers were seen to hold (absent, null, [] and objects full of nulls) and nothing
// else. Errors never quote what was read: it may be a link.

var (
	errNoResults = errors.New("no list of results")
	errNoJobs    = errors.New("a list of what are no jobs")
	errJobID     = errors.New("job without a usable id")
	errDate      = errors.New("not a date")
)

// wireJob is a job as one of Atlas' resources writes it.
type wireJob interface {
	// job returns the job in the common shape. Words that are not documented go to words.
	job(words *words) RestoreJob
}

// words collects words that are not in Atlas' documented lists, by field.
type words []unknownWord

type unknownWord struct{ field, word string }

func (w *words) add(field string, unknown shared) {
	*w = append(*w, unknownWord{field: field, word: cleanLabel(string(unknown))})
}

// wirePage is the page around the jobs.
type wirePage[T any] struct {
	Results    []T   `json:"results"`
	TotalCount Count `json:"totalCount"`
	Links      []struct {
		Rel string `json:"rel"`
	} `json:"links"`
}

func (p *wirePage[T]) last() bool {
	for _, link := range p.Links {
		if link.Rel == "next" {
			return len(p.Results) == 0
		}
	}
	return true
}

// Bounds on what a page can make the decoder allocate: a small body can hold very many very small things.
const (
	maxItems  = 2 * pageSize
	maxCommas = 200_000 // some 25 a job, and 5 for each shard of a download
)

var errTooMany = errors.New("more than a page can hold")

// decodePage decodes a page of a list. A page whose jobs can't all be read is decoded once more, job by job, so that
// the others survive.
func decodePage[W wireJob](body []byte, words *words) (Page, error) {
	if whole, err := decodeItems[W](body); err == nil {
		page := whole.page()
		for _, wire := range whole.Results {
			page.add(normalise(wire, words))
		}
		return page.ofJobs()
	}
	items, err := decodeItems[json.RawMessage](body)
	if err != nil {
		return Page{}, err
	}
	page := items.page()
	for _, item := range items.Results {
		job, err := decodeJob[W](item, words)
		page.add(job, err)
		if err != nil {
			page.addUnread(item)
		}
	}
	return page.ofJobs()
}

// page returns the page without its jobs.
func (p *wirePage[T]) page() Page {
	return Page{Jobs: make([]RestoreJob, 0, len(p.Results)), TotalCount: p.TotalCount, Last: p.last()}
}

// decodeItems decodes a page of any list, within bounds.
func decodeItems[T any](body []byte) (*wirePage[T], error) {
	if bytes.Count(body, []byte(",")) > maxCommas {
		return nil, errTooMany
	}
	var page wirePage[T]
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, err
	}
	return &page, checkItems(len(page.Results), page.Results == nil)
}

func checkItems(n int, missing bool) error {
	switch {
	case missing:
		return errNoResults
	case n > maxItems:
		return errTooMany
	}
	return nil
}

// ofJobs refuses a page of which no item is known to be a job: taken for one without jobs, it would have those that are
// known forgotten.
func (p Page) ofJobs() (Page, error) {
	if p.Malformed > 0 && len(p.Jobs)+len(p.Unread) == 0 {
		return Page{}, errNoJobs
	}
	return p, nil
}

// addUnread notes which job it is that could not be read, if that much can be told.
func (p *Page) addUnread(item json.RawMessage) {
	var job struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(item, &job) == nil && usableID(job.ID) {
		p.Unread = append(p.Unread, job.ID)
	}
}

// add appends a job, or counts one that could not be read.
func (p *Page) add(job RestoreJob, err error) {
	if err != nil {
		p.Malformed++
		p.MalformedErr = err
		return
	}
	p.Jobs = append(p.Jobs, job)
}

func decodeJob[W wireJob](body []byte, words *words) (RestoreJob, error) {
	var wire W
	if err := json.Unmarshal(body, &wire); err != nil {
		return RestoreJob{}, err
	}
	return normalise(wire, words)
}

// normalise returns the job in the common shape and fills in what follows from other fields.
func normalise[W wireJob](wire W, words *words) (RestoreJob, error) {
	job := wire.job(words)
	if !usableID(job.ID) {
		return RestoreJob{}, errJobID
	}
	if job.Created == 0 {
		job.Created = createdFromID(job.ID)
	}
	if job.DeliveryType == DeliveryDownload {
		job.TargetProjectID, job.TargetClusterName = "", ""
	}
	job.BatchID = cleanLabel(job.BatchID)
	job.SnapshotID = cleanLabel(job.SnapshotID)
	job.TargetProjectID = cleanLabel(job.TargetProjectID)
	job.TargetClusterName = cleanLabel(job.TargetClusterName)
	return job, nil
}

// usableID reports whether a job id can stand in a path and in a label as it is. Atlas documents 24 hex digits.
func usableID(id string) bool {
	const longest = 64
	return id != "" && len(id) <= longest && simpleName(id)
}

// cleanLabel makes a string from the network fit for a label or a log: what Atlas allows in the widest of its names
// (letters, digits and a few signs) stays, everything else becomes an underscore, and a link nothing but the word.
func cleanLabel(s string) string {
	const longest = 128
	if len(s) <= longest && simpleName(s) {
		return s
	}
	clean := func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.(),:&@+' ", r) {
			return r
		}
		return '_'
	}
	if strings.Contains(s, "://") {
		s = linkPattern.ReplaceAllString(s, "link")
	}
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "")
	}
	return strings.Map(clean, s)
}

// simpleName reports whether a string has only the characters that nearly all names are made of.
func simpleName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// UnmarshalJSON accepts a date and null. The zero date, as any before 1970, is none.
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

// UnmarshalJSON accepts a whole number of at least 0, and null.
func (c *Count) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var n int64
	if err := json.Unmarshal(data, &n); err != nil || n < 0 {
		return errors.New("not a count")
	}
	*c = CountOf(n)
	return nil
}

// wireBSONTime is a BSON timestamp, of which the date is used.
type wireBSONTime struct {
	Date Timestamp `json:"date"`
}

// shared is a string of which few values come again and again, such as a word of a list or the name of a cluster: each
// is in memory once, and costs nothing to decode once more.
type shared string

// UnmarshalJSON accepts a string, and null.
func (s *shared) UnmarshalJSON(data []byte) error {
	if !plainString(data) {
		return json.Unmarshal(data, (*string)(s))
	}
	*s = shared(unique.Make(string(data[1 : len(data)-1])).Value())
	return nil
}

// plainString reports whether a JSON value is a string that stands for itself, without escapes.
func plainString(data []byte) bool {
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

// wireLinks counts links without keeping any: Atlas writes them as one string or as a list of strings.
type wireLinks int32

func (l wireLinks) count() uint16 { return uint16(min(l, math.MaxUint16)) } //nolint:gosec // never below zero

// UnmarshalJSON accepts a string, a list of strings, and null.
func (l *wireLinks) UnmarshalJSON(data []byte) error {
	if *l = 0; string(data) == "[]" {
		return nil
	}
	var list []string
	if len(data) > 0 && data[0] == '"' {
		list = make([]string, 1)
		if err := json.Unmarshal(data, &list[0]); err != nil {
			return errors.New("not a link")
		}
	} else if err := json.Unmarshal(data, &list); err != nil {
		return errors.New("not a list of links")
	}
	for _, link := range list {
		if link != "" {
			*l++
		}
	}
	return nil
}

// firstGiven returns the first timestamp that was given.
func firstGiven(times ...Timestamp) Timestamp {
	for _, t := range times {
		if t > 0 {
			return t
		}
	}
	return 0
}
