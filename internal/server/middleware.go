package server

import (
	"errors"
	"log/slog"
	"net/http"

	"atlas-restore-exporter/internal/recovery"
)

// contentSecurityPolicy allows nothing except the inline style, the embedded icon, and the filter of the status page.
const contentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'"

// securityHeaders sets the headers that restrict the use of a response by a browser.
func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentSecurityPolicy)
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		next.ServeHTTP(w, r)
	})
}

// recoverPanics logs a panic of a handler without its text, which may contain a secret and which net/http would log. It
// aborts the response, because a client must not mistake a partial response for a complete one.
func recoverPanics(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recovery.Do(func() { next.ServeHTTP(w, r) }, func(value any) {
			if err, ok := value.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				attrs := append([]slog.Attr{slog.String("request", r.Pattern)}, recovery.Attrs(value)...)
				logger.LogAttrs(r.Context(), slog.LevelError, "request handler panicked, please report this bug", attrs...)
			}
			panic(http.ErrAbortHandler)
		})
	})
}
