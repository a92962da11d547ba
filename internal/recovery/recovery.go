// Package recovery recovers panics, so that a bug in one poll or response doesn't end the process. It describes a panic
// without its text, which may contain a secret from a request or a response.
package recovery

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
)

// Do runs step and reports whether it panicked. If it did, Do passes the value of the panic to onPanic, which may call
// Attrs and may panic again.
func Do(step func(), onPanic func(value any)) (panicked bool) {
	defer func() {
		if value := recover(); value != nil {
			panicked = true
			onPanic(value)
		}
	}()
	step()
	return false
}

// Attrs returns the log attributes of a panic: its type and the stack, and the text only if the Go runtime wrote it. It
// must be called by the function that Do calls on a panic; later, the stack is lost.
func Attrs(value any) []slog.Attr {
	attrs := []slog.Attr{slog.String("type", fmt.Sprintf("%T", value))}
	if err, ok := value.(runtime.Error); ok {
		attrs = append(attrs, slog.Any("err", err))
	}
	return append(attrs, slog.String("stack", string(debug.Stack())))
}
