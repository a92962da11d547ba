package faults

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/poll"
)

func statusFaults() []fault {
	// Error responses with each of the error codes, without a body, and with the body of a proxy.
	coded := func(status int, codes ...string) map[string]trigger {
		triggers := map[string]trigger{}
		for _, code := range codes {
			triggers[fmt.Sprint(status, " ", code)] = respond(rejectWith(status, code))
		}
		return triggers
	}
	bare := func(statuses ...int) map[string]trigger {
		triggers := map[string]trigger{}
		for _, status := range statuses {
			triggers[strconv.Itoa(status)] = respond(atlastest.Status(status).ServeHTTP)
		}
		return triggers
	}
	proxied := func(statuses ...int) map[string]trigger {
		triggers := map[string]trigger{}
		for _, status := range statuses {
			triggers[fmt.Sprint(status, " HTML")] = respond(atlastest.Body(status, "text/html", "<html>"+link+secret).ServeHTTP)
		}
		return triggers
	}
	row := func(name string, reason poll.Reason, kinds ...map[string]trigger) fault {
		triggers := map[string]trigger{}
		for _, kind := range kinds {
			maps.Copy(triggers, kind)
		}
		return fault{name: name, reason: reason, reach: oneTarget, maxPolls: 1, triggers: triggers}
	}
	return []fault{
		row("400 or 403 with an error code for another kind of cluster", poll.ReasonWrongBackupType,
			coded(
				400,
				"CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API",
				"CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API",
				"CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API",
				"CANNOT_USE_CLUSTER_IN_SERVERLESS_INSTANCE_API",
				"INCORRECT_BACKUP_API_ENDPOINT",
			),
			coded(403, "FEATURE_UNSUPPORTED")),
		row("400 with any other code, 405, 409", poll.ReasonOther, bare(400, 405, 409),
			coded(400, "BACKUP_JOB_NOT_FOUND", "CLUSTER_PAUSED_CANNOT_RESTORE", "CANNOT_CANCEL_AUTOMATED_RESTORE",
				"CANNOT_DOWNLOAD_EXPIRED_JOB", "TOO_MANY_SNAPSHOT_DOWNLOADS", "CANNOT_DOWNLOAD_SNAPSHOT_CONCURRENTLY"),
			coded(405, "ATLAS_BACKUP_CANCEL_SHARD_RESTORE_JOB_NOT_ALLOWED"), coded(409, "ATLAS_CLUSTER_RESTORE_IN_PROGRESS")),
		row("401", poll.ReasonUnauthorized, bare(401), proxied(401),
			coded(401, "UNEXPECTED_ERROR", "USER_UNAUTHORIZED", "NOT_IN_GROUP", "USER_CANNOT_ACCESS_GROUP")),
		row(
			"402, 403",
			poll.ReasonForbidden,
			bare(402, 403),
			proxied(403),
			coded(402, "ACCOUNT_SUSPENDED"),
			coded(
				403,
				"ACCESS_FORBIDDEN",
				"IP_ADDRESS_NOT_ON_ACCESS_LIST",
				"IP_ADDRESS_NOT_ON_WHITELIST",
				"ORG_REQUIRES_WHITELIST",
				"RESOURCE_REQUIRES_WHITELIST",
			),
		),
		row("404", poll.ReasonNotFound, bare(404), proxied(404),
			coded(404, "CLUSTER_NOT_FOUND", "GROUP_NOT_FOUND", "BACKUP_CONFIG_NOT_FOUND", "RESTORE_JOB_NOT_FOUND",
				"RESTORE_JOB_NOT_FOUND_IN_GROUP", "TENANT_RESTORE_NOT_FOUND", "INVALID_JOB_ID")),
		row("410; polled only once per `polling.full_poll_interval`", poll.ReasonGone, bare(410), coded(410, "VERSION_GONE")),
		row(
			"500, 502, 503, 504",
			poll.ReasonServerError,
			bare(500, 502, 503, 504),
			proxied(502),
			coded(500, "UNEXPECTED_ERROR"),
			coded(
				503,
				"SERVICE_UNAVAILABLE",
			),
			map[string]trigger{"endless 500": respond(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusInternalServerError)
				writeEndlessly(w, "", strings.Repeat(link, 1<<10))
			})},
		),
	}
}

func rateLimitFaults() []fault {
	after := func(value func() string) trigger {
		return respond(func(w http.ResponseWriter, r *http.Request) { atlastest.RetryAfter(value()).ServeHTTP(w, r) })
	}
	text := func(value string) trigger { return after(func() string { return value }) }
	date := func(ahead time.Duration) trigger {
		return after(func() string { return time.Now().Add(ahead).UTC().Format(http.TimeFormat) })
	}
	return []fault{
		{
			name:     "429 with Retry-After of up to a minute",
			reason:   poll.ReasonRateLimited,
			reach:    oneTarget,
			maxPolls: 2,
			lasts:    15 * time.Minute,
			triggers: map[string]trigger{
				"5 s":            text("5"),
				"55 s":           text("55"),
				"a date in 30 s": date(30 * time.Second),
			},
		},
		{
			name:     "429 without Retry-After, or with one that is not in the future",
			reason:   poll.ReasonRateLimited,
			reach:    oneTarget,
			maxPolls: 6,
			lasts:    15 * time.Minute,
			triggers: map[string]trigger{
				"none":                             text(""),
				"0":                                text("0"),
				"negative":                         text("-5"),
				"10^12":                            text("1000000000000"),
				"1.5":                              text("1.5"),
				"words":                            text("soon " + link),
				"a date in the past":               date(-time.Minute),
				"a date by a clock an hour behind": date(30*time.Second - time.Hour),
			},
		},
		{
			name:     "429 with Retry-After of an hour or more, which counts as an hour",
			reason:   poll.ReasonRateLimited,
			reach:    oneTarget,
			maxPolls: 67,
			lasts:    15 * time.Minute,
			triggers: map[string]trigger{
				"136 years":                       text("4294967295"),
				"a date in a year":                date(365 * 24 * time.Hour),
				"a date by a clock an hour ahead": date(30*time.Second + time.Hour),
			},
		},
	}
}
