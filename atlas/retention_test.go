package atlas

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

const maxRetained = 256 << 10 // bytes that may stay allocated, less than each huge field has

// retainedBy returns the number of bytes that remain allocated because of the value that f returns.
func retainedBy(f func() any) int64 {
	before := heapInUse()
	value := f()
	after := heapInUse()
	runtime.KeepAlive(value)
	return after - before
}

func heapInUse() int64 {
	for range 3 { // interned strings are freed with a delay
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// hugeJob returns an object in the given wire format whose strings have the given length. The extra field is a part.
func hugeJob(wire reflect.Type, length int, extra string) string {
	fields := []string{extra}
	for field := range wire.Fields() {
		key := field.Tag.Get("json")
		switch {
		case key == "id":
			fields = append(fields, `"id":"6a794733c0eb9e7a17740663"`)
		case field.Type.Kind() == reflect.String:
			fields = append(fields, fmt.Sprintf(`"%s":"%s"`, key, strings.Repeat(key[:1], length)))
		case field.Type == reflect.TypeFor[wireLinks]():
			fields = append(fields, fmt.Sprintf(`"%s":"https://%s"`, key, strings.Repeat("x", length)))
		case field.Type.Kind() == reflect.Struct && !isLeaf(field.Type):
			fields = append(fields, fmt.Sprintf(`"%s":%s`, key, hugeJob(field.Type, length, `"x":0`)))
		}
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// expectKeepsLittle decodes a page with a job of huge strings, and checks how much of it the job retains.
func expectKeepsLittle(t *testing.T, backupType BackupType, length int, extra string) {
	t.Helper()
	var jobs int
	retained := retainedBy(func() any {
		route := routes[backupType]
		found := newFindings()
		page, err := route.page([]byte(`{"results":[`+hugeJob(route.wire, length, extra)+`]}`), &found)
		if err != nil {
			t.Error(err)
		}
		jobs = len(page.Jobs)
		return []any{page, found}
	})
	if jobs != 1 || retained > maxRetained {
		t.Errorf("%s: %d jobs retain %d bytes", backupType, jobs, retained)
	}
}

func TestDecodePage_KeepsOnlyCopiesOfHugeFields(t *testing.T) {
	const unreadable = `"failed":7,"finishedAt":7,"created":7,"restoreFinishedDate":7`
	for _, backupType := range BackupTypes() {
		expectKeepsLittle(t, backupType, 400<<10, `"readable":0`)
		expectKeepsLittle(t, backupType, 400<<10, unreadable)
	}
	expectKeepsLittle(t, Dedicated, 3<<20, unreadable) // five strings, 15 MiB
}

func TestDecodePage_KeepsNoCopyOfHugeUnreadableValues(t *testing.T) {
	huge := `"` + strings.Repeat("x", 1<<20) + `"`
	digits := strings.Repeat("9", 1<<20)
	for _, item := range []string{
		huge, digits, `{"id":` + huge + `}`, `{"id":` + digits + `}`, `{"id":"x","oplogTs":` + digits + `}`,
	} {
		retained := retainedBy(func() any {
			found := newFindings()
			page, err := decodePage[dedicatedJob]([]byte(`{"results":[{"id":"a"},`+item+`]}`), &found)
			return []any{page, found, err}
		})
		if retained > maxRetained {
			t.Errorf("%.20s retains %d bytes", item, retained)
		}
	}
}

func TestDecodeError_KeepsOnlyACopyOfTheDetail(t *testing.T) {
	const responses = 20
	retained := retainedBy(func() any {
		var errs []error
		for range responses {
			body := `{"detail":"` + strings.Repeat(" ", maxErrorBody-100) + `missing","errorCode":"X"}`
			errs = append(errs, decodeError("x", http.StatusNotFound, http.Header{}, []byte(body)))
		}
		return errs
	})
	if retained > maxRetained {
		t.Errorf("%d errors retain %d bytes", responses, retained)
	}
}

func TestTransportError_DoesNotRetainAQuotedResponse(t *testing.T) {
	quoting := errors.New("malformed response " + strings.Repeat("x", maxHeader))
	err := transportError(quoting, nil)
	if errors.Is(err, quoting) || len(err.Error()) > 300 {
		t.Errorf("the error retains the response: %d bytes", len(err.Error()))
	}
	if short := errors.New("connection reset"); !errors.Is(transportError(short, nil), short) {
		t.Error("a short error is not wrapped")
	}
}
