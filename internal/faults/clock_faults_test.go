package faults

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

func clockFaults() []fault {
	// A token without a plausible lifetime is used for a minute.
	life := func(value string) trigger {
		return func(w *world) func() {
			began := time.Now()
			end := w.respondToTokenRequests(func(rw http.ResponseWriter, r *http.Request) {
				relay(rw, withReplaced(w.realResponse(r), `"expires_in":\d+`, `"expires_in":`+value))
			})
			return func() {
				end()
				tokens := w.sim.Requests(func(r atlastest.Request) bool {
					return r.Path == "/api/oauth/token" && r.Header.Get("Authorization") == basicAuthorization &&
						r.Header.Get(unmodified) == ""
				})
				if most := int(time.Since(began).Minutes()) + 3; len(tokens) > most { // with those of before
					w.Errorf("%d tokens in %v", len(tokens), time.Since(began))
				}
			}
		}
	}
	date := regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*Z"`)
	off := func(by time.Duration, download string) trigger {
		return func(w *world) func() {
			end := w.respond(func(rw http.ResponseWriter, r *http.Request) {
				response := w.realResponse(r)
				shifted := date.ReplaceAllStringFunc(response.Body.String(), func(text string) string {
					at, err := time.Parse(`"`+time.RFC3339+`"`, text)
					if err != nil {
						panic(err)
					}
					return at.Add(by).Format(`"` + time.RFC3339 + `"`)
				})
				response.Body.Reset()
				response.Body.WriteString(shifted)
				response.Header().Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
				relay(rw, response)
			})
			w.expectMetrics(series(victim, "jobs", `delivery_type="download",`) + fmt.Sprintf(",status=%q} 1.0\n", download))
			return end
		}
	}
	// dated serves responses with another Date header: all, or each second one. A failure from before must remain.
	dated := func(by time.Duration, all bool) trigger {
		return func(w *world) func() {
			failed := w.sim.AddJobs(victim, atlastest.Job{
				Delivery: "pointInTime", Created: time.Now().Add(-time.Hour), Takes: time.Minute, Outcome: atlastest.Fails,
			})[0]
			labels := fmt.Sprintf(`delivery_type="point_in_time",job_id=%q,`, failed)
			failure := series(victim, "last_failure_timestamp_seconds", labels)
			w.expectMetrics(failure)
			var requests atomic.Int64
			end := w.respond(func(rw http.ResponseWriter, r *http.Request) {
				response := w.realResponse(r)
				if all || requests.Add(1)%2 == 0 {
					response.Header().Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
				}
				relay(rw, response)
			})
			return func() {
				w.Helper()
				for range 5 { // other polls
					w.waitForPolls(1)
					if metrics := w.getPage("/metrics"); !strings.Contains(metrics, failure) {
						w.Fatalf("the failure of %s is missing in %s", failed, metrics)
					}
				}
				end()
			}
		}
	}
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	return []fault{
		{
			name:   "a `Date` header that is days or years off",
			effect: "none; times are compared with the later of the header and this machine's clock",
			reach:  oneTarget,
			triggers: map[string]trigger{
				"three days behind":                    dated(-3*day, true),
				"three days behind, in some responses": dated(-3*day, false),
				"years behind":                         dated(-50*year, true),
				"years ahead":                          dated(50*year, true),
			},
		},
		{
			name:     "clock of Atlas or of this machine off by an hour",
			effect:   "none, except that a download is `expired` once its expiry has passed according to this machine's clock",
			reach:    oneTarget,
			maxPolls: 1,
			triggers: map[string]trigger{
				"ahead":  off(time.Hour, "ready"),
				"behind": off(-time.Hour, "expired"),
			},
		},
		{
			name:   "tokens with an implausible or invalid lifetime",
			effect: "none; at most one token per minute is requested",
			reach:  oneCredential,
			lasts:  70 * time.Minute,
			triggers: map[string]trigger{
				"0":          life("0"),
				"negative":   life("-3600"),
				"one second": life("1"),
				"10^12":      life("1000000000000"),
				"null":       life("null"),
				"a text":     life(`"3600"`),
			},
		},
	}
}
