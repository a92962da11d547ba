package report

import (
	"fmt"
	"strings"

	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/internal/config"
)

// signOffs relates the entries of a sign-off file to restores.
type signOffs struct {
	entries []config.SignOff
	byJob   map[string]*config.SignOff
	uses    map[string]use
}

// use is the relation of a job to a report. A job in several lists has the greatest one.
type use int

const (
	unknownJob     use = iota // in no list
	earlierCluster            // in a list, but of a cluster that was replaced by another one of the same name
	outsideFilters
	outsidePeriod
	used
)

func newSignOffs(entries []config.SignOff) *signOffs {
	s := &signOffs{entries: entries, byJob: map[string]*config.SignOff{}, uses: map[string]use{}}
	for i := range entries {
		s.byJob[entries[i].JobID] = &entries[i]
	}
	return s
}

// register records the restores of a list. Filtered means that the filter doesn't select their cluster.
func (s *signOffs) register(restores []history.Restore, filtered bool, period *Period) {
	if len(s.entries) == 0 {
		return
	}
	for i := range restores {
		relation := outsidePeriod
		switch {
		case filtered:
			relation = outsideFilters
		case !restores[i].Unfinished && period.contains(Time(restores[i].End)):
			relation = used
		}
		for _, id := range restores[i].JobIDs {
			if s.byJob[id] != nil {
				s.uses[id] = max(s.uses[id], relation)
			}
		}
	}
}

// registerListed records jobs that Atlas lists, whether or not they are restores of the current clusters.
func (s *signOffs) registerListed(jobs map[string]bool) {
	for id, listed := range jobs {
		if listed {
			s.uses[id] = max(s.uses[id], earlierCluster)
		}
	}
}

// of returns the sign-off of a restore; nil if there is none. If several jobs of a batch have one, a failure takes
// precedence.
func (s *signOffs) of(restore *history.Restore) *config.SignOff {
	var found *config.SignOff
	for _, id := range restore.JobIDs {
		if entry := s.byJob[id]; entry != nil && (found == nil || !entry.Pass) {
			found = entry
		}
	}
	return found
}

// result counts the entries. An entry for a job that no list contains is an error if all lists were read completely.
func (s *signOffs) result(file string, allRead bool) (SignOffs, error) {
	counts := SignOffs{Unresolved: []string{}}
	var invalid []string
	for i := range s.entries {
		entry := &s.entries[i]
		switch s.uses[entry.JobID] {
		case used:
			counts.Used++
		case outsidePeriod:
			counts.OutsidePeriod++
		case outsideFilters:
			counts.OutsideFilters++
		case earlierCluster:
			counts.EarlierCluster++
		case unknownJob:
			counts.Unresolved = append(counts.Unresolved, entry.JobID)
			invalid = append(invalid, fmt.Sprintf("%s:%d: [%d].job_id: no list of restore jobs contains %s",
				file, entry.Line, i, entry.JobID))
		}
	}
	if len(invalid) > 0 && allRead {
		return SignOffs{}, fmt.Errorf("%s", strings.Join(invalid, "\n"))
	}
	return counts, nil
}
