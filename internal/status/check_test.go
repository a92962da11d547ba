package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	results, err := Check(t.Context(), poller, CheckOptions{Expiries: expiries()})
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

func TestCheck_OverwritesItsProgressOnATerminal(t *testing.T) {
	var progress strings.Builder
	if _, err := Check(t.Context(), newCheckedPoller(), CheckOptions{Terminal: &progress}); err != nil {
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
	_, err := Check(ctx, poller, CheckOptions{})
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

func TestWriteCheck_WarnsAboutMalformedJobs(t *testing.T) {
	prod, team := succeeded("prod", atlas.Dedicated), succeeded("team", atlas.Flex)
	prod.Malformed, team.Malformed = 2, 1
	poller := &fakePoller{snapshots: []*poll.Snapshot{prod, succeeded("orders", atlas.Dedicated), team}}
	var output strings.Builder
	results, err := Check(t.Context(), poller, CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteCheck(&output, results, "table", now); err != nil {
		t.Error(err)
	}
	const want = `PROJECT   CLUSTER  BACKUP TYPE  RESULT  JOBS  NEWEST JOB
Payments  prod     dedicated    ok      0     none
Payments  orders   dedicated    ok      0     none
Payments  team     flex         ok      0     none

warning: Payments, cluster prod, dedicated: malformed jobs, which are omitted: 2
warning: Payments, cluster team, flex: malformed jobs, which are omitted: 1

3 of 3 targets can be polled, malformed jobs: 3
`
	if output.String() != want {
		t.Errorf("the output is\n%swant\n%s", output.String(), want)
	}
	output.Reset()
	if err := WriteCheck(&output, results, "json", now); err != nil || !strings.Contains(output.String(), `
    "backup_type": "dedicated",
    "ok": true,
    "jobs": 0,
    "malformed_jobs": 2
  },`) {
		t.Errorf("the JSON is %s, error %v", output.String(), err)
	}
}

func TestWriteCheck_FailsWithoutTargets(t *testing.T) {
	err := WriteCheck(io.Discard, mustCheck(t, &fakePoller{}), "table", now)
	if err == nil || errors.Is(err, ErrTargetsFailed) || !strings.HasPrefix(err.Error(), "no targets: ") {
		t.Errorf("error %v", err)
	}
}

func TestWriteCheck_GroupsEqualFailures(t *testing.T) {
	poller := &fakePoller{}
	for i := range 13 {
		name := fmt.Sprintf("cluster-%02d", i)
		poller.snapshots = append(poller.snapshots, failed(name, atlas.Flex, context.DeadlineExceeded))
	}
	poller.snapshots = append(poller.snapshots, failed("old", atlas.Dedicated, errNoCluster))
	var output strings.Builder
	if err := WriteCheck(&output, mustCheck(t, poller), "table", now); !errors.Is(err, ErrTargetsFailed) {
		t.Errorf("error %v", err)
	}
	testutil.EqualGolden(t, "testdata/check_groups.txt", output.String())
}

func TestCheck_ListsTheProjectsOfTheCredentialIfAProjectIsNotFound(t *testing.T) {
	unknown := &atlas.Error{Status: 404, Code: "GROUP_NOT_FOUND"}
	for name, test := range map[string]struct {
		projects []atlas.Project
		err      error
		want     string
	}{
		"some": {
			[]atlas.Project{{ID: "a", Name: "Payments"}, {ID: "b", Name: "Orders"}}, nil,
			" Projects of credential default: a (Payments), b (Orders).",
		},
		"none":   {nil, nil, " Credential default has access to no project."},
		"failed": {nil, errNoCluster, ""},
		"many":   {make([]atlas.Project, 22), nil, " ()" + strings.Repeat(",  ()", 19) + ", and 2 more."},
	} {
		t.Run(name, func(t *testing.T) {
			poller := &fakePoller{snapshots: []*poll.Snapshot{
				failed("a", atlas.Dedicated, unknown), failed("b", atlas.Flex, unknown),
				failed("old", atlas.Dedicated, errNoCluster),
			}}
			calls := 0
			results, err := Check(t.Context(), poller, CheckOptions{
				Projects: func(context.Context, string) ([]atlas.Project, error) { calls++; return test.projects, test.err },
			})
			if err != nil || calls != 1 {
				t.Fatalf("%d calls, error %v", calls, err)
			}
			const remedy = "Project " + payments + " does not exist. Check projects[].id."
			for _, result := range results[:2] {
				if !strings.HasPrefix(result.Remedy, remedy) || !strings.HasSuffix(result.Remedy, test.want) {
					t.Errorf("remedy %q, want %q", result.Remedy, remedy+test.want)
				}
			}
			if strings.Contains(results[2].Remedy, "credential default") {
				t.Errorf("remedy of a missing cluster: %q", results[2].Remedy)
			}
		})
	}
}
