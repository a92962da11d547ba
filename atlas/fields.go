package atlas

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unique"
)

// This file has the types of single fields, which all wire formats share. Fields accept absent values, null, [] and
// objects of nulls, because recorded responses have them. Kept values are copies, so no field retains the response.

var errDate = errors.New("invalid date")

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

// present is whether a field has a value that isn't empty.
type present bool

// UnmarshalJSON accepts any value.
func (p *present) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "null", "false", "0", `""`, "[]", "{}":
		*p = false
	default:
		*p = true
	}
	return nil
}

// errorStatus is whether a field has the HTTP status of an error.
type errorStatus bool

// UnmarshalJSON accepts any value. Other values than numbers are ignored.
func (e *errorStatus) UnmarshalJSON(data []byte) error {
	status, err := strconv.Atoi(strings.Trim(string(data), `"`))
	*e = err == nil && status >= http.StatusBadRequest
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
