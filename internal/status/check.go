package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"atlas-restore-exporter/collector/poll"
)

// ErrTargetsFailed means that the configuration is valid but that a poll or a discovery failed.
var ErrTargetsFailed = errors.New("some targets can't be polled")

var errNoTargets = errors.New("no targets: discovery found no clusters that match the patterns, tags, and backup types")

// CheckResult is the result of polling one target, or of a failed discovery.
type CheckResult struct {
	Credential  string     `json:"credential"`
	Expires     *time.Time `json:"credential_expires,omitempty"` // if configured
	ProjectID   string     `json:"project_id"`
	ProjectName string     `json:"project_name"`
	Cluster     string     `json:"cluster_name"`
	BackupType  string     `json:"backup_type"` // "discovery" for a failed discovery
	OK          bool       `json:"ok"`
	Jobs        int        `json:"jobs"`
	NewestJob   *NewestJob `json:"newest_job,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	Error       string     `json:"error,omitempty"`
	Remedy      string     `json:"remedy,omitempty"`
}

// NewestJob is the newest known restore job of a target.
type NewestJob struct {
	ID      string     `json:"id"`
	Status  string     `json:"status"`
	Created *time.Time `json:"created,omitempty"`
}

// backupTypeDiscovery takes the place of a backup type in the result of a failed discovery.
const backupTypeDiscovery = "discovery"

// Poller discovers and polls targets. A *poll.Manager implements it.
type Poller interface {
	Source
	DiscoverOnce(ctx context.Context)
	// PollOnce polls every target once and calls done after each poll, but never concurrently.
	PollOnce(ctx context.Context, done func(*poll.Snapshot))
}

// Check runs discovery and polls every target once. Results contain the given expiry times of credentials, by name. It
// reports progress to w: on a single line that is overwritten if w
// is a terminal, otherwise with one line for each target. It returns an error only if ctx ends.
func Check(
	ctx context.Context, poller Poller, expiries map[string]time.Time, w io.Writer, terminal bool,
) ([]CheckResult, error) {
	poller.DiscoverOnce(ctx)
	done, total, progress := 0, len(poller.States()), Progress{w, terminal}
	poller.PollOnce(ctx, func(s *poll.Snapshot) {
		done++
		progress.Polled(done, total, s)
	})
	progress.Done()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("interrupted after %d of %d targets: %w", done, total, err)
	}
	states := poller.States()
	names := projectNames(states)
	results := make([]CheckResult, 0, len(states))
	for _, d := range poller.Discoveries() {
		if d.Err != nil {
			results = append(results, newDiscoveryResult(&d, names[d.ProjectID]))
		}
	}
	for i := range states {
		results = append(results, newCheckResult(&states[i]))
	}
	for i := range results {
		if expiry, ok := expiries[results[i].Credential]; ok {
			results[i].Expires = &expiry
		}
	}
	return results, nil
}

// Progress reports polled targets: on a single line that is overwritten if Writer is a terminal, otherwise with one
// line for each target.
type Progress struct {
	Writer   io.Writer
	Terminal bool
}

// Polled reports that a target was polled, and the numbers of polled targets and of all targets.
func (p Progress) Polled(done, total int, s *poll.Snapshot) {
	if p.Terminal {
		_, _ = fmt.Fprintf(p.Writer, "\rpolled %d of %d targets", done, total)
		return
	}
	_, _ = fmt.Fprintf(p.Writer, "polled %d of %d targets: %s %s\n",
		done, total, s.Target.ClusterName, s.Target.BackupType)
}

// Done clears the line of a terminal.
func (p Progress) Done() {
	if p.Terminal {
		_, _ = fmt.Fprint(p.Writer, "\r\033[K")
	}
}

// WriteCheck writes results in the format "table" or "json". It returns ErrTargetsFailed if a result is not OK, and
// another error if there are no results or w returns an error.
func WriteCheck(w io.Writer, results []CheckResult, format string, now time.Time) error {
	var err error
	if format == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(results)
	} else {
		err = writeTable(w, results, now)
	}
	switch {
	case err != nil:
		return err
	case len(results) == 0:
		return errNoTargets
	case slices.ContainsFunc(results, func(r CheckResult) bool { return !r.OK }):
		return ErrTargetsFailed
	}
	return nil
}

func newDiscoveryResult(d *poll.DiscoveryStatus, projectName string) CheckResult {
	return CheckResult{
		Credential: d.Credential, ProjectID: d.ProjectID, ProjectName: projectName, BackupType: backupTypeDiscovery,
		Reason: string(d.Reason), Error: d.Err.Error(), Remedy: discoveryRemedy(d),
	}
}

func newCheckResult(s *poll.State) CheckResult {
	result := CheckResult{
		Credential: s.Target.Credential, ProjectID: s.Target.ProjectID, ProjectName: s.Cluster.ProjectName,
		Cluster: s.Target.ClusterName, BackupType: string(s.Target.BackupType), OK: s.Err == nil,
	}
	if s.Err != nil {
		result.Reason, result.Error, result.Remedy = string(s.Reason), s.Err.Error(), targetRemedy(s.Snapshot)
		return result
	}
	result.Jobs = s.Summary.Known
	if len(s.Summary.Newest) > 0 {
		job := s.Summary.Newest[0]
		result.NewestJob = &NewestJob{ID: job.ID, Status: job.Status.String()}
		if job.Created != 0 {
			created := job.Created.Time()
			result.NewestJob.Created = &created
		}
	}
	return result
}
