package faults

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/poll"
)

func tokenFaults() []fault {
	body := func(status int, text string) trigger {
		return respondToTokenRequests(atlastest.Body(status, "application/json", text).ServeHTTP)
	}
	token := func(name string, reason poll.Reason, triggers map[string]trigger) fault {
		return fault{
			name:     name,
			reason:   reason,
			reach:    oneCredential,
			maxPolls: 6,
			lasts:    20 * time.Minute,
			triggers: triggers,
		}
	}
	oauth := func(code string) string {
		return fmt.Sprintf(`{"error":%q,"error_description":"Not %s with %s."}`, code, link, secret)
	}
	return []fault{
		token("token endpoint returns 5xx when a token is needed", poll.ReasonServerError, map[string]trigger{
			"500": body(
				500,
				"",
			),
			"502 HTML": body(502, "<html>"+link),
			"503":      body(503, oauth("temporarily_unavailable")),
			"endless": respondToTokenRequests(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusInternalServerError)
				writeEndlessly(w, "", strings.Repeat(secret, 1<<10))
			}),
		}),
		token("token endpoint does not respond", poll.ReasonTimeout, map[string]trigger{
			"nothing":           respondToTokenRequests(atlastest.Hang().ServeHTTP),
			"one byte a second": respondToTokenRequests(atlastest.Slow(time.Second).ServeHTTP),
		}),
		token("token endpoint returns a response that contains no token or is too large", poll.ReasonMalformed, map[string]trigger{
			"HTML": body(
				200,
				"<html>"+link+secret,
			),
			"nothing":  body(200, ""),
			"no token": body(200, `{"token_type":"Bearer","expires_in":3600}`),
			"an error with status 200": body(
				200,
				oauth("access_denied"),
			),
			"endless": respondToTokenRequests(func(w http.ResponseWriter, _ *http.Request) { writeEndlessly(w, "", strings.Repeat(secret, 1<<10)) }),
		}),
		token("token endpoint redirects, or does not exist", poll.ReasonOther, map[string]trigger{
			"404": body(
				404,
				"",
			),
			"302": respondToTokenRequests(atlastest.Redirect("http://elsewhere.test/?" + secret).ServeHTTP),
			"307": respondToTokenRequests(
				http.RedirectHandler("http://elsewhere.test/?"+secret, http.StatusTemporaryRedirect).ServeHTTP,
			),
		}),
		token(
			"token limit reached (403 access_denied), or client secret expired (401)",
			poll.ReasonUnauthorized,
			map[string]trigger{
				"403": body(
					403,
					oauth("access_denied"),
				),
				"401":      body(401, oauth("invalid_client")),
				"403 HTML": body(403, "<html>"+link),
			},
		),
		token("token endpoint returns 429", poll.ReasonRateLimited, map[string]trigger{
			"none":  respondToTokenRequests(atlastest.RetryAfter("").ServeHTTP),
			"30 s":  respondToTokenRequests(atlastest.RetryAfter("30").ServeHTTP),
			"15 m":  respondToTokenRequests(atlastest.RetryAfter("900").ServeHTTP),
			"136 y": respondToTokenRequests(atlastest.RetryAfter("4294967295").ServeHTTP),
			"words": respondToTokenRequests(atlastest.RetryAfter("soon").ServeHTTP),
		}),
		{
			name:   "token revoked",
			effect: "none; the token is replaced within the poll",
			reach:  oneCredential,
			triggers: map[string]trigger{
				"between polls": func(w *world) func() { w.revokeTokens(); return func() {} },
				"during a request": func(w *world) func() {
					return w.sim.Script(isVictimsList, 1, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
						w.revokeTokens()
						rejectWith(http.StatusUnauthorized, "UNEXPECTED_ERROR").ServeHTTP(rw, r)
					}))
				},
			},
		},
		{
			name:     "token revoked twice within five minutes",
			reason:   poll.ReasonUnauthorized,
			reach:    oneCredential,
			maxPolls: 5,
			lasts:    time.Second,
			triggers: map[string]trigger{
				"": func(w *world) func() {
					w.revokeTokens()
					time.Sleep(65 * time.Second)
					w.revokeTokens()
					return func() {}
				},
			},
		},
		{
			name:   "digest nonce expired",
			effect: "none; the request is signed again",
			reach:  oneTarget,
			apiKey: true,
			triggers: map[string]trigger{
				"": func(w *world) func() {
					return w.sim.Script(isVictimsList, 1, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
						r.Header.Del("Authorization")
						response := w.realResponse(r)
						challenge := strings.Replace(response.Header().Get("WWW-Authenticate"), "stale=false", "stale=true", 1)
						response.Header().Set("WWW-Authenticate", challenge)
						relay(rw, response)
					}))
				},
			},
		},
	}
}
