package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
)

// fault is something that Atlas or the network can do, and what is promised of it. Each is a row of the README's table.
type fault struct {
	name   string
	says   string           // what the README says of /metrics; the reason where empty
	reason collector.Reason // of the polls that fail; empty where none does
	still  bool             // no poll fails, but what is known stays as it was
	reach  reach
	polls  int // at most so many that begin after the end of the fault, until everything is right

	lasts   time.Duration // with default intervals and under the clock of synctest; zero for real sockets and short intervals
	tls     bool
	http2   bool
	apiKey  bool
	bounded bool                 // whether the heap is measured, with nothing else beside it
	ways    map[string]faultyWay // in which it happens, by name
}

// faultyWay lets a fault begin.
type faultyWay func(w *faultWorld) (end func())

// reach is which targets a fault reaches. The others are to stay fresh, and none of their polls to fail.
type reach string

const (
	oneList       reach = "stay fresh"
	oneCredential reach = "fail too with the same credential, else stay fresh"
	oneNetwork    reach = "fail too if they go the same way, else stay fresh"
)

// reaches reports whether the polls of a list fail.
func (f *fault) reaches(list atlas.List) bool {
	return list == victim || list == neighbour && f.reach != oneList
}

// short reports whether polls are to have little time: they would use it up.
func (f *fault) short() bool {
	return f.reason == collector.ReasonTimeout || f.reason == collector.ReasonServerError
}

// slow reports whether polls that fail take long, for others to use the machine meanwhile.
func (f *fault) slow() bool { return f.short() || f.reason == collector.ReasonNetwork }

// maxHeap is by how much an answer of any size may make the heap grow, in polls every fifth of a second.
const maxHeap = 256 << 20

func faults() []fault {
	return slices.Concat(networkFaults(), bodyFaults(), statusFaults(), rateLimitFaults(), tokenFaults(), clockFaults())
}

func networkFaults() []fault {
	name := func(code uint32) faultyWay {
		return func(w *faultWorld) func() {
			server := newNameServer(w.T)
			w.network.dial(server.dialer(w.network.right))
			w.shows(succeeded(victim)...) // while names resolve
			server.code.Store(code)
			w.network.cut()
			return func() { server.code.Store(0) }
		}
	}
	present := func(by func(w *faultWorld) *authority, name string, life time.Duration) faultyWay {
		return func(w *faultWorld) func() {
			return w.network.present(by(w).certify(name, time.Now().Add(life)))
		}
	}
	known := func(w *faultWorld) *authority { return w.network.authority }
	unknown := func(w *faultWorld) *authority { return newAuthority(w.T) }
	return []fault{
		{name: "connection refused", reason: collector.ReasonNetwork, reach: oneNetwork, polls: 1, ways: map[string]faultyWay{
			"nobody listens": func(w *faultWorld) func() { return w.network.dial(dialTo("127.0.0.1:1")) },
			"closed at once": func(w *faultWorld) func() {
				return w.network.dial(dialTo(listen(w.T, func(conn net.Conn) { _ = conn.Close() })))
			},
		}},
		{name: "connections that hang", reason: collector.ReasonTimeout, reach: oneNetwork, polls: 1, tls: true, ways: map[string]faultyWay{
			"before they are made": func(w *faultWorld) func() {
				return w.network.dial(func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() })
			},
			"before TLS": func(w *faultWorld) func() {
				return w.network.dial(dialTo(listen(w.T, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })))
			},
			"before the name is resolved": name(silent),
		}},
		{name: "the name does not resolve", reason: collector.ReasonNetwork, reach: oneNetwork, polls: 1, ways: map[string]faultyWay{
			"no such name": name(noSuchName), "server failure": name(serverFailure),
		}},
		{name: "a certificate that is expired, for another name, or of an unknown authority", reason: collector.ReasonNetwork, reach: oneNetwork, polls: 1, tls: true, ways: map[string]faultyWay{
			"expired": present(known, atlasHost, -time.Minute), "another name": present(known, "elsewhere.test", time.Hour),
			"unknown authority": present(unknown, atlasHost, time.Hour),
		}},
		{name: "Atlas can't be reached for three hours, in which the access token expires", reason: collector.ReasonNetwork, reach: oneNetwork, polls: 6, lasts: 3 * time.Hour, ways: map[string]faultyWay{
			"refused": func(w *faultWorld) func() { return w.network.dial(refuse) },
		}},
		{name: "reset or closed in mid-answer", reason: collector.ReasonNetwork, reach: oneList, polls: 1, ways: map[string]faultyWay{
			"reset in the body":        answer(reset("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"results\":[")),
			"reset before the answer":  answer(reset("")),
			"closed in the body":       answer(atlastest.BreakOff().ServeHTTP),
			"closed before the answer": answer(raw(func(*http.Request) string { return "" })),
			"closed between the chunks": answer(raw(func(*http.Request) string {
				return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"res\r\n"
			})),
		}},
		{name: "a stream of HTTP/2 reset in mid-answer", reason: collector.ReasonNetwork, reach: oneList, polls: 1, http2: true, ways: map[string]faultyWay{
			"": answer(atlastest.BreakOff().ServeHTTP),
		}},
		{name: "no answer within `polling.timeout`", reason: collector.ReasonTimeout, reach: oneList, polls: 1, ways: map[string]faultyWay{
			"none": answer(atlastest.Hang().ServeHTTP),
			"late": answer(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-r.Context().Done():
				case <-time.After(2 * fastTimeout):
					_, _ = io.WriteString(w, `{"results":[]}`)
				}
			}),
			"one byte a second": answer(atlastest.Slow(time.Second).ServeHTTP),
			"one byte of header a second": answer(func(w http.ResponseWriter, _ *http.Request) {
				hijack(w, func(conn *net.TCPConn) {
					for _, b := range []byte("HTTP/1.1 200 OK\r\n") {
						if _, err := conn.Write([]byte{b}); err != nil {
							return
						}
						time.Sleep(time.Second / 4) // a header takes longer than any timeout here
					}
				})
			}),
		}},
		{name: "an answer that is no HTTP, or has headers without end", reason: collector.ReasonNetwork, reach: oneList, polls: 1, bounded: true, ways: map[string]faultyWay{
			"another protocol": answer(raw(indiscreet)),
			"a header of no kind": answer(raw(func(r *http.Request) string {
				return "HTTP/1.1 200 OK\r\n" + r.Header.Get("Authorization") + "\r\n\r\n"
			})),
			"another status line": answer(raw(func(r *http.Request) string { return "HTTP/1.1 " + indiscreet(r) + "\r\n\r\n" })),
			"a huge header": answer(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X", strings.Repeat(indiscreet(r), 1<<14))
				_, _ = io.WriteString(w, `{"results":[]}`)
			}),
			"headers without end": answer(func(w http.ResponseWriter, _ *http.Request) {
				hijack(w, func(conn *net.TCPConn) { endless(conn, "HTTP/1.1 200 OK\r\n", strings.Repeat("X: x\r\n", 1<<10)) })
			}),
		}},
	}
}

func bodyFaults() []fault {
	body := func(contentType, text string) faultyWay {
		return answer(atlastest.Body(200, contentType, text).ServeHTTP)
	}
	json := func(text string) faultyWay { return body("application/json", text) }
	gzipped := func(body string) faultyWay {
		return answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, body)
		})
	}
	redirects := map[string]faultyWay{}
	for _, status := range []int{301, 302, 303, 307, 308} {
		redirects[strconv.Itoa(status)] = answer(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.test/?"+r.Header.Get("Authorization"), status)
		})
	}
	packed := zipped(`{"results":[` + strings.Repeat(`{"id":"a"},`, 1000) + `{}]}`)
	return []fault{
		{name: "gzip that breaks off", reason: collector.ReasonNetwork, reach: oneList, polls: 1, ways: map[string]faultyWay{
			"in the middle": gzipped(packed[:len(packed)/2]), "in the checksum": gzipped(packed[:len(packed)-4]), "in the header": gzipped(packed[:5]),
		}},
		{name: "gzip that is none", reason: collector.ReasonMalformed, reach: oneList, polls: 1, ways: map[string]faultyWay{
			"from the start": gzipped(`{"results":[]} and so on`), "later": gzipped(packed[:10] + strings.Repeat("\xff", 100)),
			"but for the checksum": gzipped(packed[:len(packed)-8] + "12345678"),
		}},
		{name: "a body without end, or that gzip made small", reason: collector.ReasonMalformed, reach: oneList, polls: 1, bounded: true, ways: map[string]faultyWay{
			"1 GiB in 1 MiB of gzip": answer(atlastest.Huge(1<<30, true).ServeHTTP),
			"1 TiB announced":        answer(atlastest.Huge(1<<40, false).ServeHTTP),
			"chunks without end": answer(func(w http.ResponseWriter, _ *http.Request) {
				endless(w, `{"results":[`, strings.Repeat(`{"id":"a"},`, 1<<10))
			}),
			"very many small things": func(w *faultWorld) func() { return json(`{"results":[` + strings.Repeat(`{},`, 5<<20) + `{}]}`)(w) },
			"very deep":              func(w *faultWorld) func() { return json(strings.Repeat(`{"results":[`, 1<<20))(w) },
		}},
		{name: "HTML with status 200", reason: collector.ReasonMalformed, reach: oneList, polls: 1, ways: map[string]faultyWay{
			"and its type": body("text/html", "<html><title>Sign in</title>"+link+secret+"</html>"), "as JSON": json("<!doctype html>" + link + secret),
		}},
		{name: "JSON of another shape, or that breaks off", reason: collector.ReasonMalformed, reach: oneList, polls: 1, ways: map[string]faultyWay{
			"nothing": json(""), "null": json("null"), "an object": json("{}"), "a list": json("[]"), "a text": json(`"` + link + `"`), "a number": json("17"),
			"results null": json(`{"results":null}`), "results an object": json(`{"results":{"url":"` + link + `"}}`), "results a text": json(`{"results":"` + link + `"}`),
			"results of no jobs": json(`{"results":[17,"` + link + `",null,{}],"totalCount":4}`), "totalCount a text": json(`{"results":[],"totalCount":"` + link + `"}`),
			"two answers": json(`{"results":[]}{"results":[]}`), "broken off": json(`{"results":[{"id":"6a794733c0eb9e7a17740663","deliveryUrl":["` + link),
			"closed without a length": answer(raw(func(*http.Request) string { return "HTTP/1.0 200 OK\r\n\r\n{\"results\":[{" })),
		}},
		{name: "jobs in a list that can't be read", says: "nothing but `malformed_jobs_total`: what was known of them stays", still: true, reach: oneList, polls: 1, ways: map[string]faultyWay{
			"their dates": rewrite(`"failed":(true|false)`, `"failed":"`+link+`"`), "their links": rewrite(`"deliveryType":"`, `"deliveryUrl":17,"deliveryType":"`),
		}},
		{name: "JSON of another content type", says: "nothing: it is the JSON that counts", reach: oneList, ways: map[string]faultyWay{
			"HTML": retype("text/html"), "none": retype(""), "nonsense": retype("garbage;;="),
		}},
		{name: "a redirect, to another host", reason: collector.ReasonOther, reach: oneList, polls: 1, ways: redirects},
	}
}

func statusFaults() []fault {
	// Refusals with each of the codes, without a body, and with that of a proxy.
	coded := func(status int, codes ...string) map[string]faultyWay {
		ways := map[string]faultyWay{}
		for _, code := range codes {
			ways[fmt.Sprint(status, " ", code)] = answer(refusal(status, code))
		}
		return ways
	}
	bare := func(statuses ...int) map[string]faultyWay {
		ways := map[string]faultyWay{}
		for _, status := range statuses {
			ways[strconv.Itoa(status)] = answer(atlastest.Status(status).ServeHTTP)
		}
		return ways
	}
	proxied := func(statuses ...int) map[string]faultyWay {
		ways := map[string]faultyWay{}
		for _, status := range statuses {
			ways[fmt.Sprint(status, " HTML")] = answer(atlastest.Body(status, "text/html", "<html>"+link+secret).ServeHTTP)
		}
		return ways
	}
	row := func(name string, reason collector.Reason, kinds ...map[string]faultyWay) fault {
		ways := map[string]faultyWay{}
		for _, kind := range kinds {
			maps.Copy(ways, kind)
		}
		return fault{name: name, reason: reason, reach: oneList, polls: 1, ways: ways}
	}
	return []fault{
		row("400 or 403 with a code that says that the cluster is of another kind", collector.ReasonWrongBackupType,
			coded(400, "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API", "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API",
				"CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API", "CANNOT_USE_CLUSTER_IN_SERVERLESS_INSTANCE_API", "INCORRECT_BACKUP_API_ENDPOINT"),
			coded(403, "FEATURE_UNSUPPORTED")),
		row("400 with any other code, 405, 409", collector.ReasonOther, bare(400, 405, 409),
			coded(400, "BACKUP_JOB_NOT_FOUND", "CLUSTER_PAUSED_CANNOT_RESTORE", "CANNOT_CANCEL_AUTOMATED_RESTORE",
				"CANNOT_DOWNLOAD_EXPIRED_JOB", "TOO_MANY_SNAPSHOT_DOWNLOADS", "CANNOT_DOWNLOAD_SNAPSHOT_CONCURRENTLY"),
			coded(405, "ATLAS_BACKUP_CANCEL_SHARD_RESTORE_JOB_NOT_ALLOWED"), coded(409, "ATLAS_CLUSTER_RESTORE_IN_PROGRESS")),
		row("401", collector.ReasonUnauthorized, bare(401), proxied(401),
			coded(401, "UNEXPECTED_ERROR", "USER_UNAUTHORIZED", "NOT_IN_GROUP", "USER_CANNOT_ACCESS_GROUP")),
		row("402, 403", collector.ReasonForbidden, bare(402, 403), proxied(403), coded(402, "ACCOUNT_SUSPENDED"),
			coded(403, "ACCESS_FORBIDDEN", "IP_ADDRESS_NOT_ON_ACCESS_LIST", "IP_ADDRESS_NOT_ON_WHITELIST", "ORG_REQUIRES_WHITELIST", "RESOURCE_REQUIRES_WHITELIST")),
		row("404", collector.ReasonNotFound, bare(404), proxied(404),
			coded(404, "CLUSTER_NOT_FOUND", "GROUP_NOT_FOUND", "BACKUP_CONFIG_NOT_FOUND", "RESTORE_JOB_NOT_FOUND",
				"RESTORE_JOB_NOT_FOUND_IN_GROUP", "TENANT_RESTORE_NOT_FOUND", "INVALID_JOB_ID")),
		row("410; asked for only once in `polling.full_sweep_interval`", collector.ReasonGone, bare(410), coded(410, "VERSION_GONE")),
		row("500, 502, 503, 504", collector.ReasonServerError, bare(500, 502, 503, 504), proxied(502), coded(500, "UNEXPECTED_ERROR"),
			coded(503, "SERVICE_UNAVAILABLE"), map[string]faultyWay{"500 without end": answer(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusInternalServerError)
				endless(w, "", strings.Repeat(link, 1<<10))
			})}),
	}
}

func rateLimitFaults() []fault {
	after := func(value func() string) faultyWay {
		return answer(func(w http.ResponseWriter, r *http.Request) { atlastest.RetryAfter(value()).ServeHTTP(w, r) })
	}
	text := func(value string) faultyWay { return after(func() string { return value }) }
	date := func(ahead time.Duration) faultyWay {
		return after(func() string { return time.Now().Add(ahead).UTC().Format(http.TimeFormat) })
	}
	return []fault{
		{name: "429 with Retry-After of up to a minute", reason: collector.ReasonRateLimited, reach: oneList, polls: 2, lasts: 15 * time.Minute, ways: map[string]faultyWay{
			"5 s": text("5"), "55 s": text("55"), "a date in 30 s": date(30 * time.Second),
		}},
		{name: "429 without Retry-After, or with one that is no time to come", reason: collector.ReasonRateLimited, reach: oneList, polls: 6, lasts: 15 * time.Minute, ways: map[string]faultyWay{
			"none": text(""), "0": text("0"), "negative": text("-5"), "10^12": text("1000000000000"), "1.5": text("1.5"), "words": text("soon " + link),
			"a date that is past": date(-time.Minute), "a date by a clock an hour behind": date(30*time.Second - time.Hour),
		}},
		{name: "429 with Retry-After of an hour or more, which counts as an hour", reason: collector.ReasonRateLimited, reach: oneList, polls: 67, lasts: 15 * time.Minute, ways: map[string]faultyWay{
			"136 years": text("4294967295"), "a date in a year": date(365 * 24 * time.Hour), "a date by a clock an hour ahead": date(30*time.Second + time.Hour),
		}},
	}
}

func tokenFaults() []fault {
	body := func(status int, text string) faultyWay {
		return answerTokens(atlastest.Body(status, "application/json", text).ServeHTTP)
	}
	token := func(name string, reason collector.Reason, ways map[string]faultyWay) fault {
		return fault{name: name, reason: reason, reach: oneCredential, polls: 6, lasts: 20 * time.Minute, ways: ways}
	}
	oauth := func(code string) string {
		return fmt.Sprintf(`{"error":%q,"error_description":"Not %s with %s."}`, code, link, secret)
	}
	return []fault{
		token("token endpoint down when a token is due: 5xx", collector.ReasonServerError, map[string]faultyWay{
			"500": body(500, ""), "502 HTML": body(502, "<html>"+link), "503": body(503, oauth("temporarily_unavailable")), "without end": answerTokens(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusInternalServerError)
				endless(w, "", strings.Repeat(secret, 1<<10))
			}),
		}),
		token("token endpoint does not answer", collector.ReasonTimeout, map[string]faultyWay{
			"nothing": answerTokens(atlastest.Hang().ServeHTTP), "one byte a second": answerTokens(atlastest.Slow(time.Second).ServeHTTP),
		}),
		token("token endpoint answers with something else", collector.ReasonMalformed, map[string]faultyWay{
			"HTML": body(200, "<html>"+link+secret), "nothing": body(200, ""), "no token": body(200, `{"token_type":"Bearer","expires_in":3600}`),
			"an error with status 200": body(200, oauth("access_denied")), "without end": answerTokens(func(w http.ResponseWriter, _ *http.Request) { endless(w, "", strings.Repeat(secret, 1<<10)) }),
		}),
		token("token endpoint redirects, or is not there", collector.ReasonOther, map[string]faultyWay{
			"404": body(404, ""), "302": answerTokens(atlastest.Redirect("http://elsewhere.test/?" + secret).ServeHTTP),
			"307": answerTokens(http.RedirectHandler("http://elsewhere.test/?"+secret, http.StatusTemporaryRedirect).ServeHTTP),
		}),
		token("token limit reached (403 access_denied), or client secret expired (401)", collector.ReasonUnauthorized, map[string]faultyWay{
			"403": body(403, oauth("access_denied")), "401": body(401, oauth("invalid_client")), "403 HTML": body(403, "<html>"+link),
		}),
		token("token endpoint says 429", collector.ReasonRateLimited, map[string]faultyWay{
			"none": answerTokens(atlastest.RetryAfter("").ServeHTTP), "30 s": answerTokens(atlastest.RetryAfter("30").ServeHTTP), "words": answerTokens(atlastest.RetryAfter("soon").ServeHTTP),
		}),
		{name: "token revoked", says: "nothing: it is replaced within the poll", reach: oneCredential, ways: map[string]faultyWay{
			"between polls": func(w *faultWorld) func() { w.revoke(); return func() {} },
			"in mid-flight": func(w *faultWorld) func() {
				return w.sim.Script(victims, 1, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					w.revoke()
					refusal(http.StatusUnauthorized, "UNEXPECTED_ERROR").ServeHTTP(rw, r)
				}))
			},
		}},
		{name: "token revoked twice within five minutes", reason: collector.ReasonUnauthorized, reach: oneCredential, polls: 5, lasts: time.Second, ways: map[string]faultyWay{
			"": func(w *faultWorld) func() { w.revoke(); time.Sleep(65 * time.Second); w.revoke(); return func() {} },
		}},
		{name: "digest nonce expired", says: "nothing: the request is signed anew", reach: oneList, apiKey: true, ways: map[string]faultyWay{
			"": func(w *faultWorld) func() {
				return w.sim.Script(victims, 1, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					r.Header.Del("Authorization")
					answer := w.answerOf(r)
					challenge := strings.Replace(answer.Header().Get("WWW-Authenticate"), "stale=false", "stale=true", 1)
					answer.Header().Set("WWW-Authenticate", challenge)
					relay(rw, answer)
				}))
			},
		}},
	}
}

func clockFaults() []fault {
	// A token that Atlas gives no sensible life is taken for one of two minutes, and replaced a minute before its end.
	life := func(value string) faultyWay {
		return func(w *faultWorld) func() {
			began := time.Now()
			end := w.answerTokens(func(rw http.ResponseWriter, r *http.Request) {
				relay(rw, replaced(w.answerOf(r), `"expires_in":\d+`, `"expires_in":`+value))
			})
			return func() {
				end()
				tokens := w.sim.Requests(func(r atlastest.Request) bool {
					return r.Path == "/api/oauth/token" && r.Header.Get("Authorization") == basic && r.Header.Get(honest) == ""
				})
				if most := int(time.Since(began).Minutes()) + 3; len(tokens) > most { // with those of before
					w.Errorf("%d tokens in %v", len(tokens), time.Since(began))
				}
			}
		}
	}
	date := regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*Z"`)
	off := func(by time.Duration, download string) faultyWay {
		return func(w *faultWorld) func() {
			end := w.answer(func(rw http.ResponseWriter, r *http.Request) {
				answer := w.answerOf(r)
				shifted := date.ReplaceAllStringFunc(answer.Body.String(), func(text string) string {
					at, err := time.Parse(`"`+time.RFC3339+`"`, text)
					if err != nil {
						panic(err)
					}
					return at.Add(by).Format(`"` + time.RFC3339 + `"`)
				})
				answer.Body.Reset()
				answer.Body.WriteString(shifted)
				answer.Header().Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
				relay(rw, answer)
			})
			w.shows(common(victim, "jobs", `delivery_type="download",`) + fmt.Sprintf(",status=%q} 1.0\n", download))
			return end
		}
	}
	return []fault{
		{name: "Atlas' clock is an hour off, or this machine's", says: "nothing; dates are Atlas', but a download is `expired` when its date has passed by this machine's clock", reach: oneList, polls: 1, ways: map[string]faultyWay{
			"ahead": off(time.Hour, "ready"), "behind": off(-time.Hour, "expired"),
		}},
		{name: "tokens with a life that is absurd, or wrong", says: "nothing: at most one token a minute is asked for", reach: oneCredential, lasts: 70 * time.Minute, ways: map[string]faultyWay{
			"0": life("0"), "negative": life("-3600"), "one second": life("1"), "10^12": life("1000000000000"), "null": life("null"), "a text": life(`"3600"`),
		}},
	}
}

// answer has the victim's lists answered by a handler.
func answer(handler http.HandlerFunc) faultyWay {
	return func(w *faultWorld) func() { return w.answer(handler) }
}

func answerTokens(handler http.HandlerFunc) faultyWay {
	return func(w *faultWorld) func() { return w.answerTokens(handler) }
}

// rewrite has a pattern in what Atlas says of the victim replaced.
func rewrite(pattern, by string) faultyWay {
	return func(w *faultWorld) func() {
		return w.answer(func(rw http.ResponseWriter, r *http.Request) { relay(rw, replaced(w.answerOf(r), pattern, by)) })
	}
}

// retype has what Atlas says of the victim sent as another content type.
func retype(contentType string) faultyWay {
	return func(w *faultWorld) func() {
		return w.answer(func(rw http.ResponseWriter, r *http.Request) {
			answer := w.answerOf(r)
			answer.Header()["Content-Type"] = []string{contentType}
			relay(rw, answer)
		})
	}
}

// refusal is Atlas' refusal, with an indiscreet detail.
func refusal(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		atlastest.APIError(status, code, "Not with "+indiscreet(r)).ServeHTTP(w, r)
	}
}

// TestFaults lets each fault happen to a target in each of its ways, and looks at what is said of that target and of
// others, what it costs, and how soon everything is right again.
func TestFaults(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	const together = 16 // worlds at a time: more would starve on two cores
	var others []func()
	for _, f := range faults() {
		for way, begin := range f.ways {
			name := strings.TrimSuffix(f.name+"/"+way, "/")
			if f.bounded { // nothing else may use memory beside it
				t.Run(name, func(t *testing.T) { f.happen(t, begin) })
			} else {
				others = append(others, func() { t.Run(name, func(t *testing.T) { f.happen(t, begin) }) })
			}
		}
	}
	var running errgroup.Group
	running.SetLimit(together)
	for _, run := range others {
		running.Go(func() error { run(); return nil })
	}
	_ = running.Wait()
}

func (f *fault) happen(t *testing.T, begin faultyWay) {
	if f.lasts > 0 {
		synctest.Test(t, func(t *testing.T) { newFaultWorld(t, f).suffer(begin) })
		return
	}
	w := newFaultWorld(t, f)
	if !f.bounded {
		w.suffer(begin)
	} else if peak := heapPeak(func() { w.suffer(begin) }); peak > maxHeap {
		t.Errorf("the heap grew by %d MiB", peak>>20)
	} else {
		t.Logf("the heap grew by %d MiB", peak>>20)
	}
}

// suffer lets a fault begin and end.
func (w *faultWorld) suffer(begin faultyWay) {
	w.Helper()
	f := w.fault
	end := begin(w)
	if f.reason != "" {
		begun := w.polls.count(victim)
		w.until(func() bool { return slices.Contains(w.polls.since(victim, begun), false) }, w.log.String)
	}
	time.Sleep(f.lasts)
	w.change()
	w.polled(2)
	w.showsFault()
	end()
	begun := w.polls.allow(victim, max(f.polls, 1))
	w.until(func() bool { return slices.Contains(w.polls.since(victim, begun), true) }, w.log.String)
	w.Logf("right at poll %d", slices.Index(w.polls.since(victim, begun), true)+1)
	w.shows(slices.Concat(w.fresh(victim), w.fresh(neighbour), w.fresh(bystander))...)
	w.discreet("the log", w.log.String())
	w.faithful()
}

// showsFault looks at what is said while the fault lasts, after jobs have changed in Atlas.
func (w *faultWorld) showsFault() {
	w.Helper()
	f := w.fault
	var wanted []string
	for list := range w.running {
		switch hit := f.reaches(list); {
		case hit && f.reason != "":
			wanted = append(append(wanted, failed(list, f.reason)...), w.known(list)...)
		case hit && f.still:
			wanted = append(append(wanted, succeeded(list)...), w.known(list)...)
		default:
			wanted = append(append(wanted, w.fresh(list)...), common(list, "poll_failures_total", "")+"} 0.0\n")
		}
	}
	w.shows(wanted...)
	if page := w.page("/"); f.reason != "" && !strings.Contains(page, words(string(f.reason))) {
		w.Errorf("the status page does not say %s: %s", f.reason, page)
	}
	for path, want := range map[string]string{"/-/healthy": "healthy\n", "/-/ready": "ready\n"} {
		if said := w.page(path); said != want {
			w.Errorf("%s says %s", path, said)
		}
	}
}

// TestReadmeFaults holds the README's table of faults to those that TestFaults lets happen.
func TestReadmeFaults(t *testing.T) {
	var table strings.Builder
	table.WriteString("\n| fault | reason of `poll_error` | other targets | polls until right, at most |\n| --- | --- | --- | --- |\n")
	for _, f := range faults() {
		others := f.reach
		if f.reason == "" {
			others = oneList
		}
		_, _ = fmt.Fprintf(&table, "| %s | %s | %s | %d |\n", f.name, cmp.Or(f.says, "`"+string(f.reason)+"`"), others, f.polls)
	}
	table.WriteString("\n")
	readmePart(t, "faults: written by UPDATE_GOLDEN=1 go test -run TestReadmeFaults .", "end of faults", table.String())
}

// TestUnaskedAnswers has a server say more than it announced: Go's HTTP client quotes that in the log of its own, which
// must go nowhere.
func TestUnaskedAnswers(t *testing.T) {
	sim, configFile := newSim(t, "{name: prod}")
	sim.Script(atlastest.PathHas("restoreJobs"), 0, raw(func(r *http.Request) string {
		return "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"results\":[]}" + indiscreet(r)
	}))
	command := exec.CommandContext(t.Context(), os.Args[0], "--config.file", configFile, "--web.listen-address=127.0.0.1:0", "--log.level=debug")
	command.Env = append(os.Environ(), asProgram+"=1")
	var stderr buffer
	command.Stderr, command.Stdout = &stderr, &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return strings.Count(stderr.String(), "poll succeeded") >= 2 }, stderr.String)
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
	(&faultWorld{T: t}).discreet("what the program says", stderr.String())
}
