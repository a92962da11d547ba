package atlas

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unique"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// This file has the types of single fields, which all wire formats share. Fields accept absent values, null, [] and
// objects of nulls, because recorded responses have them. Kept values are copies, so no field retains the response.

var (
	errDate  = errors.New("invalid date")
	errCount = errors.New("invalid count")
	errText  = errors.New("not a string")
	errLinks = errors.New("neither a link nor a list of links")
)

// UnmarshalJSONFrom accepts a date and null. Dates before 1970, such as the zero date, are treated as absent.
func (t *Timestamp) UnmarshalJSONFrom(decoder *jsontext.Decoder) error {
	data, err := decoder.ReadValue()
	if *t = 0; err != nil || data.Kind() == jsontext.KindNull {
		return err
	}
	if data.Kind() != jsontext.KindString {
		return errDate
	}
	text := data[1 : len(data)-1]
	if !isPlainString(data) {
		text, _ = jsontext.AppendUnquote(nil, data)
	}
	var date time.Time
	if err := date.UnmarshalText(text); err != nil {
		return errDate
	}
	*t = TimestampOf(date)
	return nil
}

// UnmarshalJSONFrom accepts a nonnegative integer and null.
func (c *Count) UnmarshalJSONFrom(decoder *jsontext.Decoder) error {
	data, err := decoder.ReadValue()
	if *c = (Count{}); err != nil || data.Kind() == jsontext.KindNull {
		return err
	}
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil || n < 0 {
		return errCount
	}
	*c = CountOf(n)
	return nil
}

// present is whether a field has a value that isn't empty.
type present bool

// UnmarshalJSONFrom accepts any value.
func (p *present) UnmarshalJSONFrom(decoder *jsontext.Decoder) error {
	data, err := decoder.ReadValue()
	switch string(data) {
	case "", "null", "false", "0", `""`, "[]", "{}":
		*p = false
	default:
		*p = true
	}
	return err
}

// errorStatus is whether a field has the HTTP status of an error.
type errorStatus bool

// UnmarshalJSONFrom accepts any value. Other values than numbers are ignored.
func (e *errorStatus) UnmarshalJSONFrom(decoder *jsontext.Decoder) error {
	data, err := decoder.ReadValue()
	status, invalid := strconv.Atoi(strings.Trim(string(data), `"`))
	*e = invalid == nil && status >= http.StatusBadRequest
	return err
}

// wireBSONTime is a BSON timestamp. Only its date is used.
type wireBSONTime struct {
	Date Timestamp `json:"date"`
}

// interned is a string with few distinct values, such as an enumeration or the name of a cluster. Each value is stored
// once, so decoding it again allocates nothing.
type interned string

// UnmarshalJSONFrom accepts a string and null.
func (s *interned) UnmarshalJSONFrom(decoder *jsontext.Decoder) error {
	data, err := decoder.ReadValue()
	if *s = ""; err != nil || data.Kind() == jsontext.KindNull {
		return err
	}
	if data.Kind() != jsontext.KindString {
		return errText
	}
	if !isPlainString(data) {
		return json.Unmarshal(data, (*string)(s), strict)
	}
	*s = interned(unique.Make(string(data[1 : len(data)-1])).Value())
	return nil
}

// isPlainString reports whether a JSON string has only ASCII characters without escapes.
func isPlainString(data []byte) bool {
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

// UnmarshalJSONFrom accepts a string, a list of strings, and null.
func (l *wireLinks) UnmarshalJSONFrom(decoder *jsontext.Decoder) error {
	*l = 0
	if decoder.PeekKind() != jsontext.KindBeginArray {
		return l.add(decoder)
	}
	if _, err := decoder.ReadToken(); err != nil {
		return err
	}
	for decoder.PeekKind() != jsontext.KindEndArray {
		if err := l.add(decoder); err != nil {
			return err
		}
	}
	_, err := decoder.ReadToken()
	return err
}

// add reads a string or null, and counts it if it isn't empty.
func (l *wireLinks) add(decoder *jsontext.Decoder) error {
	data, err := decoder.ReadValue()
	if err != nil || data.Kind() == jsontext.KindNull {
		return err
	}
	if data.Kind() != jsontext.KindString {
		return errLinks
	}
	if string(data) != `""` {
		*l++
	}
	return nil
}
