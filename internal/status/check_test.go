package status

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/testutil"
)

var (
	errFlexCluster = &atlas.Error{
		Status: 400, Code: "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API",
		Detail: "Flex cluster team cannot be used in the Cluster API.",
	}
	errNoCluster = &atlas.Error{
		Status: 404, Code: "CLUSTER_NOT_FOUND", Detail: "No cluster named old exists in group " + payments + ".",
	}
)

// newCheckedPoller returns a poller with succeeded and failed targets and failed discoveries.
func newCheckedPoller() *fakePoller {
	return &fakePoller{
		snapshots: []*poll.Snapshot{
			succeeded("prod", atlas.Dedicated,
				newJob("job-2", atlas.StatusCompleted, 26*time.Hour), newJob("job-1", atlas.StatusCompleted, 50*time.Hour)),
			failed("team", atlas.Dedicated, errFlexCluster),
			failed("old", atlas.Dedicated, errNoCluster),
			succeeded("team", atlas.Flex),
		},
		discoveries: []poll.DiscoveryStatus{
			{Credential: "default", ProjectID: payments, LastSuccess: now},
			{Credential: "other", Err: context.DeadlineExceeded, Reason: poll.ReasonTimeout},
			{Credential: "other", ProjectID: payments, Err: &atlas.Error{Status: 403}, Reason: poll.ReasonForbidden},
		},
	}
}

// expiries are the expiry times of two credentials and of one that isn't in use.
func expiries() map[string]time.Time {
	return map[string]time.Time{
		"default": now.Add(10 * 24 * time.Hour), "other": now.Add(-36 * time.Hour), "not in use": now,
	}
}

func mustCheck(t *testing.T, poller Poller) []CheckResult {
	t.Helper()
	results, err := Check(t.Context(), poller, expiries(), io.Discard, false)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestCheck_DiscoversBeforeItPolls(t *testing.T) {
	poller := newCheckedPoller()
	poller.afterPoll = func() {
		if poller.discovered != 1 {
			t.Errorf("discovered %d times before a poll, want 1", poller.discovered)
		}
	}
	if results := mustCheck(t, poller); len(results) != 6 {
		t.Errorf("%d results, want 4 targets and 2 failed discoveries", len(results))
	}
}

func TestCheck_ReportsProgressOnOneLinePerTarget(t *testing.T) {
	var progress strings.Builder
	if _, err := Check(t.Context(), newCheckedPoller(), nil, &progress, false); err != nil {
		t.Fatal(err)
	}
	const want = "polled 1 of 4 targets: prod dedicated\npolled 2 of 4 targets: team dedicated\n" +
		"polled 3 of 4 targets: old dedicated\npolled 4 of 4 targets: team flex\n"
	if progress.String() != want {
		t.Errorf("progress %q\nwant     %q", progress.String(), want)
	}
}

func TestCheck_OverwritesItsProgressOnATerminal(t *testing.T) {
	var progress strings.Builder
	if _, err := Check(t.Context(), newCheckedPoller(), nil, &progress, true); err != nil {
		t.Fatal(err)
	}
	got := progress.String()
	if strings.Contains(got, "\n") || !strings.HasSuffix(got, "\rpolled 4 of 4 targets\r\033[K") {
		t.Errorf("progress %q", got)
	}
}

func TestCheck_ReturnsAnErrorIfInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	poller := newCheckedPoller()
	poller.afterPoll = cancel
	_, err := Check(ctx, poller, nil, io.Discard, false)
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "interrupted after 4 of 4 targets") {
		t.Errorf("error %v", err)
	}
}

func TestWriteCheck_WritesATableWithErrorsAndRemediesBelow(t *testing.T) {
	var output strings.Builder
	err := WriteCheck(&output, mustCheck(t, newCheckedPoller()), "table", now)
	if !errors.Is(err, ErrTargetsFailed) {
		t.Errorf("error %v, want ErrTargetsFailed", err)
	}
	testutil.EqualGolden(t, "testdata/check.txt", output.String())
}

func TestWriteCheck_WritesJSON(t *testing.T) {
	var output strings.Builder
	if err := WriteCheck(&output, mustCheck(t, newCheckedPoller()), "json", now); !errors.Is(err, ErrTargetsFailed) {
		t.Errorf("error %v, want ErrTargetsFailed", err)
	}
	if !json.Valid([]byte(output.String())) {
		t.Errorf("invalid JSON: %s", output.String())
	}
	testutil.EqualGolden(t, "testdata/check.json", output.String())
}

func TestWriteCheck_SucceedsIfAllTargetsSucceeded(t *testing.T) {
	poller := &fakePoller{snapshots: []*poll.Snapshot{succeeded("prod", atlas.Dedicated)}}
	if err := WriteCheck(io.Discard, mustCheck(t, poller), "table", now); err != nil {
		t.Error(err)
	}
}

func TestWriteCheck_FailsWithoutTargets(t *testing.T) {
	err := WriteCheck(io.Discard, mustCheck(t, &fakePoller{}), "table", now)
	if err == nil || errors.Is(err, ErrTargetsFailed) || !strings.HasPrefix(err.Error(), "no targets: ") {
		t.Errorf("error %v", err)
	}
}
