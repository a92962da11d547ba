package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
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
	Malformed   int        `json:"malformed_jobs,omitempty"` // jobs that the list contains, but that are omitted
	NewestJob   *NewestJob `json:"newest_job,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	Error       string     `json:"error,omitempty"`
	Remedy      string     `json:"remedy,omitempty"`

	projectMissing bool // the project doesn't exist, or the credential can't access it
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

// CheckOptions are the options of Check.
type CheckOptions struct {
	Expiries map[string]time.Time // configured expiry times, by name of the credential
	// Projects returns the projects that a credential can access. They are listed if a configured project is not found.
	Projects func(ctx context.Context, credential string) ([]atlas.Project, error)
	// Terminal is overwritten with the progress. If nil, the progress is not shown.
	Terminal io.Writer
}

// Check runs discovery and polls every target once. It returns an error only if ctx ends.
func Check(ctx context.Context, poller Poller, options CheckOptions) ([]CheckResult, error) {
	poller.DiscoverOnce(ctx)
	done, total, progress := 0, len(poller.States()), Progress{options.Terminal}
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
	visible := visibleProjects{lookUp: options.Projects, texts: map[string]string{}}
	for i := range results {
		if expiry, ok := options.Expiries[results[i].Credential]; ok {
			results[i].Expires = &expiry
		}
		if results[i].projectMissing {
			results[i].Remedy += visible.describe(ctx, results[i].Credential)
		}
	}
	return results, nil
}

// Progress reports polled targets on a single line of a terminal, which is overwritten. Without a terminal, it reports
// nothing.
type Progress struct{ Terminal io.Writer }

// Polled reports the numbers of polled targets and of all targets.
func (p Progress) Polled(done, total int, _ *poll.Snapshot) {
	if p.Terminal != nil {
		_, _ = fmt.Fprintf(p.Terminal, "\rpolled %d of %d targets", done, total)
	}
}

// Done clears the line.
func (p Progress) Done() {
	if p.Terminal != nil {
		_, _ = fmt.Fprint(p.Terminal, "\r\033[K")
	}
}

// visibleProjects describes the projects that credentials can access.
type visibleProjects struct {
	lookUp func(ctx context.Context, credential string) ([]atlas.Project, error)
	texts  map[string]string // by credential
}

// describe returns a sentence with the projects of a credential, or "" if they are unknown.
func (v visibleProjects) describe(ctx context.Context, credential string) string {
	const maxProjects = 20
	if text, known := v.texts[credential]; known || v.lookUp == nil {
		return text
	}
	projects, err := v.lookUp(ctx, credential)
	text := ""
	switch {
	case err != nil:
	case len(projects) == 0:
		text = fmt.Sprintf(" Credential %s has access to no project.", credential)
	default:
		var names []string
		for _, project := range projects[:min(len(projects), maxProjects)] {
			names = append(names, fmt.Sprintf("%s (%s)", project.ID, project.Name))
		}
		if more := len(projects) - maxProjects; more > 0 {
			names = append(names, fmt.Sprintf("and %d more", more))
		}
		text = fmt.Sprintf(" Projects of credential %s: %s.", credential, strings.Join(names, ", "))
	}
	v.texts[credential] = text
	return text
}

// WriteCheck writes results in the format "table" or "json". It returns ErrTargetsFailed if a result is not OK, and
// another error if there are no results or w returns an error.
func WriteCheck(w io.Writer, results []CheckResult, format string, now time.Time) error {
	var err error
	if format == formatJSON {
		err = writeJSON(w, results)
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

// OfflineCheck is the result of validating a configuration without requests to Atlas.
type OfflineCheck struct {
	File        string `json:"file"`
	Targets     int    `json:"targets"` // configured ones, without those that discovery finds
	Discoveries int    `json:"discoveries"`
	Credentials int    `json:"credentials"`
}

// WriteOfflineCheck writes the result for a valid configuration in the format "table" (one line) or "json".
func WriteOfflineCheck(w io.Writer, c OfflineCheck, format string) error {
	if format == formatJSON {
		return writeJSON(w, c)
	}
	_, err := fmt.Fprintf(w, "%s is valid: targets %d, discoveries %d, credentials %d\n",
		c.File, c.Targets, c.Discoveries, c.Credentials)
	return err
}

const formatJSON = "json"

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func newDiscoveryResult(d *poll.DiscoveryStatus, projectName string) CheckResult {
	return CheckResult{
		Credential: d.Credential, ProjectID: d.ProjectID, ProjectName: projectName, BackupType: backupTypeDiscovery,
		Reason: string(d.Reason), Error: d.Err.Error(), Remedy: discoveryRemedy(d),
		projectMissing: d.ProjectID != "" && isProjectMissing(d.Err),
	}
}

func newCheckResult(s *poll.State) CheckResult {
	result := CheckResult{
		Credential: s.Target.Credential, ProjectID: s.Target.ProjectID, ProjectName: s.Cluster.ProjectName,
		Cluster: s.Target.ClusterName, BackupType: string(s.Target.BackupType), OK: s.Err == nil,
	}
	if s.Err != nil {
		result.Reason, result.Error, result.Remedy = string(s.Reason), s.Err.Error(), targetRemedy(s.Snapshot)
		result.projectMissing = isProjectMissing(s.Err)
		return result
	}
	result.Jobs, result.Malformed = s.Summary.Known, s.Malformed
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

// isProjectMissing reports whether an error means that the project is unknown to Atlas or to the credential.
func isProjectMissing(err error) bool {
	api := apiError(err)
	return api.ProjectNotFound() || !api.FromTokenEndpoint() && api.Membership()
}
