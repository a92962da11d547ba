package main

import (
	"errors"
	"log/slog"
	"net/http"

	"atlas-restore-exporter/internal/panics"
)

// contained logs panics of a handler without what they may hold, which net/http would quote, and breaks the answer off:
// half of one must not look like a whole one.
func contained(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			value := recover()
			if value == nil {
				return
			}
			if err, ok := value.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				attrs := append([]slog.Attr{slog.String("request", r.Pattern)}, panics.Attrs(value)...)
				logger.LogAttrs(r.Context(), slog.LevelError, "panic in an answer, please report it", attrs...)
			}
			panic(http.ErrAbortHandler)
		}()
		next.ServeHTTP(w, r)
	})
}
