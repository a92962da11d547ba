package atlas

import "slices"

// Derived times that can be implausible, by the names that MalformedFields returns for them.
const (
	fieldIDTime         = "id_time"
	fieldSnapshotIDTime = "snapshot_id_time"
)

// Times further in the future than this are implausible.
const (
	maxAhead       = 24 * 60 * 60   // seconds after the response
	maxExpiryAhead = 400 * maxAhead // the same for expiry times
)

// findings are reported about a response besides its jobs. Its zero value must not be used: without the time of
// the response, every time is implausible.
type findings struct {
	now     Timestamp // see responseTime
	unknown []unknownValue
	omitted []string // fields of jobs, each at most once for each job
	first   int      // index of the first omitted field of the current job
}

// unknownValue is a value that is not in the documented list of the field.
type unknownValue struct{ field, value string }

// addUnknown reports an undocumented value of the current job. If the field was omitted, there is no value.
func (f *findings) addUnknown(field string, value interned) {
	if !f.omits(field) {
		f.unknown = append(f.unknown, unknownValue{field: field, value: sanitizeLabel(string(value))})
	}
}

// omit reports that a field of the current job is unreadable or implausible.
func (f *findings) omit(field string) {
	if !f.omits(field) {
		f.omitted = append(f.omitted, field)
	}
}

// omits reports whether a field of the current job is omitted.
func (f *findings) omits(field string) bool { return slices.Contains(f.omitted[f.first:], field) }

// nextJob ends the current job.
func (f *findings) nextJob() { f.first = len(f.omitted) }

// discardJob discards the omitted fields of the current job, because the whole job is malformed.
func (f *findings) discardJob() { f.omitted = f.omitted[:f.first] }

// time returns a time of the current job. It returns zero and omits the field if the time is implausible.
func (f *findings) time(field string, t Timestamp) Timestamp {
	return f.notAfter(f.now+maxAhead, field, t)
}

// expiry is like time, for a time that is usually in the future.
func (f *findings) expiry(field string, t Timestamp) Timestamp {
	return f.notAfter(f.now+maxExpiryAhead, field, t)
}

func (f *findings) notAfter(latest Timestamp, field string, t Timestamp) Timestamp {
	if t > latest {
		f.omit(field)
		return 0
	}
	return max(t, 0)
}
