// Package panics tells of panics that were contained, without giving away what they may hold.
package panics

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
)

// Attrs returns what to log of a panic, called by the deferred function that recovered its value: where it was and of
// what type. Its text may quote an answer of the network, and so a secret: only the runtime's own, which don't, are told.
func Attrs(value any) []slog.Attr {
	attrs := []slog.Attr{slog.String("type", fmt.Sprintf("%T", value))}
	if err, ok := value.(runtime.Error); ok {
		attrs = append(attrs, slog.Any("err", err))
	}
	return append(attrs, slog.String("stack", string(debug.Stack())))
}
