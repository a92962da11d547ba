package report

import (
	"strconv"
	"time"

	"atlas-restore-exporter/atlas"
)

// Schema identifies the JSON format of a Report.
const Schema = "atlas-restore-report/v1"

// Report is the evidence about the restores of a period. The names of its JSON fields are stable.
type Report struct {
	Schema string `json:"schema"`
	Header Header `json:"header"`
	Data   Data   `json:"data"`
}

// Header describes how a report was made.
type Header struct {
	Generated     Time     `json:"generated"`
	Version       string   `json:"version"`  // of the exporter
	BaseURL       string   `json:"base_url"` // of the Atlas API
	Configuration string   `json:"configuration_sha256"`
	SignOffs      string   `json:"sign_offs_sha256"` // of the sign-off file; empty if there is none
	Digest        string   `json:"data_sha256"`
	Complete      bool     `json:"complete"`
	Statements    []string `json:"statements"` // that a reader must know
}

// Data is the content of a report. Its digest is computed from its compact JSON form.
type Data struct {
	Period      Period   `json:"period"`
	Filter      Filter   `json:"filter"`
	Credentials []string `json:"credentials"`
	Totals      Totals   `json:"totals"`
	Summary     Summary  `json:"summary"`
	Teams       []Team   `json:"teams"`

	Clusters         []Cluster         `json:"clusters"` // in scope and selected by the filter
	Scope            []ScopeCluster    `json:"scope"`
	UnlistedProjects []UnlistedProject `json:"unlisted_projects"`
	Targets          []Target          `json:"targets"`
	SignOffs         SignOffs          `json:"sign_offs"`
}

// Filter selects clusters in scope. An empty list selects all.
type Filter struct {
	Teams        []string `json:"teams"`
	Environments []string `json:"environments"`
	Projects     []string `json:"projects"` // IDs or names
	Clusters     []string `json:"clusters"`
}

// Totals counts the projects and clusters that the credentials can access, and the selected targets.
type Totals struct {
	Projects int `json:"projects"`
	Clusters int `json:"clusters"` // in the scope table
	Targets  int `json:"targets"`
}

// Counts are numbers of clusters by verdict.
type Counts struct {
	Clusters      int `json:"clusters"`
	Met           int `json:"met"`
	Missed        int `json:"missed"`
	NotMeasurable int `json:"not_measurable"`
	NoObjectives  int `json:"no_objectives"`
}

// Summary counts the clusters by verdict, and the restores that ended in the period.
type Summary struct {
	Counts

	Drills         int `json:"drills"`
	DrillsPassed   int `json:"drills_signed_off_pass"`
	DrillsFailed   int `json:"drills_signed_off_fail"`
	NotValidated   int `json:"drills_not_validated"`
	FailedRestores int `json:"failed_restores"`
	FollowedUp     int `json:"failed_restores_followed_up"`
}

// Team counts the clusters of a team by verdict. An empty name means that the team is not known.
type Team struct {
	Team string `json:"team"`
	Counts
}

// Verdict is the result of comparing an objective with the restores of a period.
type Verdict string

// The verdicts.
const (
	Met           Verdict = "met"
	Missed        Verdict = "missed"
	NotMeasurable Verdict = "not_measurable"
	NoObjective   Verdict = "no_objective"
	NotCounted    Verdict = "not_counted" // a drill that counts for no objective
)

// Judgment is a verdict with the values that it is based on.
type Judgment struct {
	Verdict   Verdict `json:"verdict"`
	Objective Seconds `json:"objective_seconds"`
	Value     Seconds `json:"value_seconds"` // for a cluster, the worst value in the period
	MissedBy  Seconds `json:"missed_by_seconds"`
	Reason    string  `json:"reason"`     // why the objective is not measurable or counted; else empty
	Assumes   string  `json:"assumption"` // that the value depends on; else empty
}

// Cluster contains the restores of a cluster in scope. Each restore is in exactly one of the lists.
type Cluster struct {
	ProjectID        string   `json:"project_id"`
	ProjectName      string   `json:"project_name"`
	ClusterName      string   `json:"cluster_name"`
	Team             string   `json:"team"`
	Environment      string   `json:"environment"`
	BackupTypes      []string `json:"backup_types"`
	Created          Time     `json:"created"`
	BackupEnabled    *bool    `json:"backup_enabled"`
	ContinuousBackup *bool    `json:"continuous_backup_enabled"`
	// The settings in force; null if they are not set.
	DrillTargets   []RestoreTarget `json:"drill_targets"`
	AllowedTargets []RestoreTarget `json:"allowed_targets"`

	Verdict          Verdict  `json:"verdict"`
	DrillAge         Judgment `json:"drill_age"`
	Duration         Judgment `json:"duration"`
	RecoveryPointAge Judgment `json:"recovery_point_age"`

	Drills             []Restore `json:"drills"`
	FailedRestores     []Restore `json:"failed_restores"`
	Downloads          []Restore `json:"downloads"`      // that didn't fail
	OtherRestores      []Restore `json:"other_restores"` // neither drills nor failed nor downloads
	CollectionRestores []Restore `json:"collection_restores"`
	Unfinished         []Restore `json:"unfinished_restores"` // at the end of the period
}

// RestoreTarget is a project, or clusters of a project, that restores write to.
type RestoreTarget struct {
	ProjectID    string   `json:"project_id"`
	ProjectName  string   `json:"project_name"`  // empty if unknown
	ClusterNames []string `json:"cluster_names"` // if empty, every cluster of the project
}

// Restore is a job or, in legacy backup, a batch of jobs.
type Restore struct {
	JobID         string   `json:"job_id"`
	BatchID       string   `json:"batch_id"`
	BatchJobIDs   []string `json:"batch_job_ids"` // null if the restore is not a batch
	BackupType    string   `json:"backup_type"`
	Kind          string   `json:"kind"`
	Purpose       string   `json:"purpose"`
	Status        string   `json:"status"`
	Requested     Time     `json:"requested"`
	Finished      Time     `json:"finished"`
	Ended         Time     `json:"ended"`
	Expires       Time     `json:"expires"` // downloads only
	RecoveryPoint Time     `json:"recovery_point"`
	// The target is empty for downloads.
	TargetProjectID   string `json:"target_project_id"`
	TargetProjectName string `json:"target_project_name"` // empty if unknown
	TargetClusterName string `json:"target_cluster_name"`
	InPlace           bool   `json:"in_place"`
	UnexpectedTarget  bool   `json:"unexpected_target"`
	IndexesFailed     bool   `json:"indexes_failed"` // collection restores only

	Duration         Judgment  `json:"duration"`           // the verdict is given for drills only
	RecoveryPointAge Judgment  `json:"recovery_point_age"` // the verdict is given for drills only
	FollowedUpBy     *FollowUp `json:"followed_up_by"`     // null if the restore didn't fail or has no follow-up

	Validation Validation `json:"validation"`
	Reviewer   string     `json:"reviewer"`
	ReviewDate string     `json:"review_date"`
	Notes      string     `json:"notes"`
}

// FollowUp is a later successful restore with the same purpose as a failed one.
type FollowUp struct {
	JobID string `json:"job_id"`
	Ended Time   `json:"ended"`
}

// Validation is the result of the sign-off of a restore.
type Validation string

// The results of a sign-off.
const (
	Passed       Validation = "pass"
	Failed       Validation = "fail"
	NotValidated Validation = "not_validated"
)

// ScopeCluster is a cluster that Atlas lists to a credential, or that the configuration names.
type ScopeCluster struct {
	ProjectID     string `json:"project_id"`
	ProjectName   string `json:"project_name"`
	ClusterName   string `json:"cluster_name"`
	Listed        bool   `json:"listed"` // by Atlas
	InScope       bool   `json:"in_scope"`
	ExcludedBy    string `json:"excluded_by"` // setting or flag; empty if the cluster is in scope
	BackupEnabled *bool  `json:"backup_enabled"`
}

// UnlistedProject is a project whose clusters can't be listed. If ProjectID is empty, the projects of the credential
// can't be listed.
type UnlistedProject struct {
	Credential  string `json:"credential"`
	ProjectID   string `json:"project_id"`
	ProjectName string `json:"project_name"`
	Reason      string `json:"reason"`
	Error       string `json:"error"`
	ExcludedBy  string `json:"excluded_by"` // if not empty, none of the clusters would be in scope
}

// Target is a list of restore jobs of a selected cluster.
type Target struct {
	ProjectID   string `json:"project_id"`
	ProjectName string `json:"project_name"` // empty if unknown
	ClusterName string `json:"cluster_name"`
	BackupType  string `json:"backup_type"`
	Credential  string `json:"credential"`

	Read          bool   `json:"read"`
	Reason        string `json:"reason"`
	Error         string `json:"error"`
	Truncated     bool   `json:"truncated"`
	Inconsistent  bool   `json:"inconsistent"` // the list contradicts its own total count
	MalformedJobs int    `json:"malformed_jobs"`

	Jobs    int  `json:"jobs"`
	Oldest  Time `json:"oldest_job_created"`
	Undated int  `json:"undated_restores"` // whose end is unknown
}

// Complete reports whether every job of the list was read.
func (t *Target) Complete() bool {
	return t.Read && !t.Truncated && !t.Inconsistent && t.MalformedJobs == 0
}

// SignOffs counts the entries of the sign-off file.
type SignOffs struct {
	Used           int      `json:"used"`
	OutsidePeriod  int      `json:"ignored_outside_period"`
	EarlierCluster int      `json:"ignored_earlier_cluster"` // which the cluster of the same name replaced
	OutsideFilters int      `json:"ignored_outside_filters"`
	Unresolved     []string `json:"unresolved_job_ids"` // that may be in a list that could not be read completely
}

// Time is a Unix time that is null in JSON if it is zero, which means unknown.
type Time atlas.Timestamp

// Known reports whether the time is known.
func (t Time) Known() bool { return t != 0 }

// String returns the time in the format of RFC 3339, or "" if it is unknown.
func (t Time) String() string {
	if t == 0 {
		return ""
	}
	return atlas.Timestamp(t).Time().Format(time.RFC3339)
}

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	if t == 0 {
		return []byte("null"), nil
	}
	return atlas.Timestamp(t).Time().AppendFormat(nil, `"`+time.RFC3339+`"`), nil
}

// Seconds is a number of seconds that may be unknown.
type Seconds struct {
	n     int64
	known bool
}

func secondsOf(n int64) Seconds { return Seconds{n, true} }

func secondsOfDuration(d time.Duration) Seconds { return Seconds{int64(d / time.Second), d > 0} }

// Known reports whether the number is known.
func (s Seconds) Known() bool { return s.known }

// String returns the number, or "" if it is unknown.
func (s Seconds) String() string {
	if !s.known {
		return ""
	}
	return strconv.FormatInt(s.n, 10)
}

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	if !s.known {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, s.n, 10), nil
}
