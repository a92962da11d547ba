package poll

import (
	"context"
	"net/http"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestPoll_ClassifiesFailuresAndKeepsTheKnownJobs(t *testing.T) {
	for _, test := range []struct {
		name     string
		response http.Handler
		reason   Reason
	}{
		{"401", atlastest.APIError(401, "NOT_IN_GROUP", "No."), ReasonUnauthorized},
		{"402", atlastest.APIError(402, "ACCOUNT_SUSPENDED", "Pay."), ReasonForbidden},
		{"403", atlastest.APIError(403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", "No."), ReasonForbidden},
		{"404", atlastest.APIError(404, "CLUSTER_NOT_FOUND", "No."), ReasonNotFound},
		{"400 flex", atlastest.APIError(400, "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API", "No."), ReasonWrongBackupType},
		{"400 legacy", atlastest.APIError(400, "INCORRECT_BACKUP_API_ENDPOINT", "No."), ReasonWrongBackupType},
		{"403 flex", atlastest.APIError(403, "FEATURE_UNSUPPORTED", "No."), ReasonWrongBackupType},
		{"400", atlastest.APIError(400, "BACKUP_JOB_NOT_FOUND", "No."), ReasonOther},
		{"405", atlastest.Status(405), ReasonOther},
		{"406", atlastest.Status(406), ReasonOther},
		{"410", atlastest.APIError(410, "VERSION_GONE", "Gone."), ReasonGone},
		{"429", atlastest.RetryAfter("60"), ReasonRateLimited},
		{"429 until the deadline", atlastest.RetryAfter("20"), ReasonRateLimited},
		{"500", atlastest.APIError(500, "UNEXPECTED_ERROR", "Oops."), ReasonServerError},
		{"503", atlastest.Status(503), ReasonServerError},
		{"302", atlastest.Redirect("http://elsewhere.test"), ReasonOther},
		{"HTML", atlastest.Body(200, "text/html", "<html>"), ReasonMalformed},
		{"one byte per second", atlastest.Slow(time.Second), ReasonTimeout},
		{"connection closed", atlastest.BreakOff(), ReasonNetwork},
	} {
		runInBubble(t, test.name, func(t *testing.T) {
			w := newWorld(t, prod, team)
			w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute})
			w.sim.AddJobs(team, atlastest.Job{Takes: time.Minute})
			before := w.poll()
			w.sim.Script(atlastest.PathHas("/clusters/prod/backup/restoreJobs"), 0, test.response)
			s := w.poll()
			if s.Reason != test.reason || s.Err == nil || s.Failures != 1 || s.ConsecutiveFailures != 1 {
				t.Errorf("%s: %v, %+v", s.Reason, s.Err, s)
			}
			if s.Summary != before.Summary || s.LastSuccess != before.LastSuccess || s.Truncated != before.Truncated {
				t.Errorf("the failure changed %+v to %+v", before, s)
			}
			if w.events.failed[test.reason] != 1 || len(w.events.failed) != 1 {
				t.Errorf("failures observed: %v", w.events.failed)
			}
			if other := w.manager.Snapshots()[1]; other.Err != nil || other.Reason != "" {
				t.Errorf("the other target: %v", other.Err)
			}
		})
	}
}

func TestPoll_PublishesTheTimesOfTheLastPollAndSuccess(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		success := time.Now()
		if s := w.poll(); s.LastPoll != success || s.LastSuccess != success {
			t.Errorf("after a success: %+v", s)
		}
		remove := w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Status(500))
		time.Sleep(time.Minute)
		if s := w.poll(); s.LastPoll != time.Now() || s.LastSuccess != success {
			t.Errorf("after a failure: %+v", s)
		}
		remove()
		time.Sleep(time.Minute)
		s := w.poll()
		if s.LastSuccess != time.Now() || s.Err != nil || s.Reason != "" || s.ConsecutiveFailures != 0 || s.Failures != 1 {
			t.Errorf("after another success: %+v", s)
		}
	})
}

func TestPoll_ExpiresADownloadWhilePollsFail(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.AddJobs(prod, atlastest.Job{Delivery: "download", Takes: time.Minute, LinkLife: time.Hour})
		time.Sleep(time.Minute)
		success := time.Now()
		if s := w.poll(); s.Summary.Counts[atlas.DeliveryDownload][atlas.StatusReady] != 1 || s.Summary.NextExpiry == nil {
			t.Errorf("before: %+v", s.Summary)
		}
		w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Status(500))
		time.Sleep(time.Hour)
		s := w.poll()
		if s.Summary.Counts[atlas.DeliveryDownload][atlas.StatusExpired] != 1 || s.Summary.NextExpiry != nil {
			t.Errorf("after the expiry: %+v", s.Summary)
		}
		if s.Err == nil || s.LastSuccess != success {
			t.Errorf("%v, last success at %v, want %v", s.Err, s.LastSuccess, success)
		}
	})
}

func TestPoll_PublishesNothingIfItsContextEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute})
		before := w.poll()
		w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w.manager.PollOnce(ctx, func(*Snapshot) { t.Error("an unfinished poll is reported as done") })
		if w.manager.Snapshots()[0] != before || len(w.events.failed) > 0 {
			t.Errorf("published %+v", w.manager.Snapshots()[0])
		}
	})
}

func TestPoll_ReportsARefusedConnectionAsNetworkError(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.pipe.Close()
		if s := w.poll(); s.Reason != ReasonNetwork || s.Summary != nil {
			t.Errorf("%+v", s)
		}
	})
}

func TestPoll_ReportsADeniedTokenAsUnauthorized(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(atlastest.TokenRequests, 0, atlastest.APIError(403, "", ""))
		if s := w.poll(); s.Reason != ReasonUnauthorized {
			t.Errorf("%+v", s)
		}
	})
}

func TestPoll_DoesNotReportATargetAsGoneBecauseOfTheTokenEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, atlas.List{ProjectID: project, ClusterName: "fn", BackupType: atlas.Serverless})
		w.sim.Script(atlastest.TokenRequests, 0, atlastest.Status(404))
		if s := w.poll(); s.Reason != ReasonOther {
			t.Errorf("%+v", s)
		}
	})
}

func TestPoll_ReportsServerlessAsGoneAndPollsItOncePerHour(t *testing.T) {
	for name, response := range map[string]http.Handler{
		"410": atlastest.APIError(410, "VERSION_GONE", ""), "404": atlastest.Status(404),
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newWorld(t, atlas.List{ProjectID: project, ClusterName: "fn", BackupType: atlas.Serverless})
			w.sim.Script(atlastest.PathHas("serverless"), 0, response)
			s := w.poll()
			if s.Reason != ReasonGone {
				t.Errorf("%+v", s)
			}
			if interval := pollInterval(s); interval != time.Hour {
				t.Errorf("polled every %v, want every hour", interval)
			}
		})
	}
}

func TestPoll_RejectsTheCredentialOnlyForErrorsOfTheCredential(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		for _, step := range []struct {
			response http.Handler
			want     bool
		}{
			{atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."), true}, {atlastest.APIError(401, "", "No."), false},
			{atlastest.APIError(401, "NOT_IN_GROUP", "No."), true}, {atlastest.Status(503), true},
		} {
			remove := w.sim.Script(atlastest.PathHas("restoreJobs"), 0, step.response)
			s := w.poll()
			remove()
			if w.events.isAccepted("default") != step.want {
				t.Errorf("credential accepted %v after %v", w.events.isAccepted("default"), s.Err)
			}
		}
		w.sim.AddServiceAccount("id", "renewed")
		w.sim.RevokeTokens()
		if s := w.poll(); w.events.isAccepted("default") || s.Reason != ReasonUnauthorized {
			t.Errorf("after the secret was changed: %v", s.Err)
		}
		w.expectLogged("poll failed", 4) // once for each reason in a row
	})
}

func TestSnapshot_IsStaleAfterTheConfiguredTimeWithoutSuccess(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		if !w.manager.Snapshots()[0].Stale(time.Now()) {
			t.Error("a target without any success isn't stale")
		}
		s := w.poll()
		time.Sleep(10 * time.Minute)
		if s.Stale(time.Now()) {
			t.Error("stale too early")
		}
		time.Sleep(time.Second)
		if !s.Stale(time.Now()) {
			t.Error("not stale")
		}
		if w.poll().Stale(time.Now()) {
			t.Error("stale after the next success")
		}
	})
}
