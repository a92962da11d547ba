package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"
)

// SignOff is the result of a review of one restore, from a sign-off file.
type SignOff struct {
	JobID    string
	Reviewer string
	Date     string // a date, or a time in UTC in the format of RFC 3339
	Pass     bool   // otherwise, the result is fail
	Notes    string // one line; empty if there are none
	Line     int    // in the file
}

// Limits on the texts of a sign-off.
const (
	maxReviewerLength = 200
	maxNotesLength    = 2000
)

// LoadSignOffs reads and checks a sign-off file. It also returns the SHA-256 digest of the file, in hexadecimal digits.
// If entries are invalid, the error has one line for each of them.
func LoadSignOffs(path string) (signOffs []SignOff, sha256 string, err error) {
	text, err := ReadFile(path, MaxFileSize)
	if err != nil {
		return nil, "", fmt.Errorf("sign-off file: %s; set its path with --signoff", unreadable(path, err))
	}
	signOffs, err = parseSignOffs(path, text)
	return signOffs, digest(text), err
}

// rawSignOff is an entry of the file.
type rawSignOff struct {
	JobID    scalar     `yaml:"job_id"`
	Reviewer scalar     `yaml:"reviewer"`
	Date     reviewDate `yaml:"date"`
	Result   scalar     `yaml:"result"`
	Notes    scalar     `yaml:"notes"`
}

// jobID matches IDs that a restore job can have.
var jobID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func parseSignOffs(path string, text []byte) ([]SignOff, error) {
	d := newDocument(path)
	d.literal = true // the environment must not become part of a report
	var raw []rawSignOff
	d.decode(text, &raw)
	if err := d.err(); err != nil {
		return nil, err
	}
	lines := map[string]int{}
	signOffs := make([]SignOff, len(raw))
	for i := range raw {
		signOffs[i] = d.signOff(fmt.Sprintf("[%d]", i), &raw[i])
		id, line := signOffs[i].JobID, signOffs[i].Line
		if lines[id] > 0 {
			d.report(fmt.Sprintf("[%d].job_id", i), "duplicate job ID, already signed off in line %d", lines[id])
		}
		lines[id] = line
	}
	return signOffs, d.err()
}

// signOff checks and converts an entry.
func (d *document) signOff(path string, raw *rawSignOff) SignOff {
	s := SignOff{
		JobID: string(raw.JobID), Reviewer: strings.TrimSpace(string(raw.Reviewer)), Date: string(raw.Date),
		Pass: raw.Result == "pass", Notes: strings.Join(strings.Fields(string(raw.Notes)), " "),
		Line: d.lines[path],
	}
	if !jobID.MatchString(s.JobID) {
		d.report(path+".job_id", "must be the ID of a restore job")
	}
	if s.Reviewer == "" || !isPrintable(s.Reviewer, maxReviewerLength) {
		d.report(path+".reviewer", "must consist of 1 to %d printable characters", maxReviewerLength)
	}
	if s.Date == "" {
		d.report(path+".date", "is required")
	}
	if raw.Result != "pass" && raw.Result != "fail" {
		d.report(path+".result", "must be pass or fail")
	}
	if !isPrintable(s.Notes, maxNotesLength) {
		d.report(path+".notes", "must consist of at most %d printable characters", maxNotesLength)
	}
	return s
}

// scalar is the text of a value of any type, because a job ID can look like a number.
type scalar string

// UnmarshalYAML accepts any value but a list or a mapping.
func (s *scalar) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return errors.New("must be a string")
	}
	if node.ShortTag() != "!!null" {
		*s = scalar(node.Value)
	}
	return nil
}

// reviewDate is a date, or an RFC 3339 time, which is converted to UTC.
type reviewDate string

// UnmarshalYAML parses the date of a review.
func (r *reviewDate) UnmarshalYAML(node *yaml.Node) error {
	if _, err := time.Parse(time.DateOnly, node.Value); err == nil {
		*r = reviewDate(node.Value)
		return nil
	}
	parsed, err := time.Parse(time.RFC3339, node.Value)
	if err != nil {
		return errors.New("must be a date such as 2026-08-01 or a time such as 2026-08-01T12:00:00Z")
	}
	*r = reviewDate(parsed.UTC().Format(time.RFC3339))
	return nil
}
