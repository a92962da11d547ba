package poll

import (
	"cmp"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// clusterName identifies a cluster.
type clusterName struct{ projectID, name string }

// clusterFacts are the facts about projects and clusters from all reads so far. If a list can't be read any longer, the
// last known facts stay.
type clusterFacts struct {
	undecided bool // it is not known whether each cluster exists: the next read may show it
	logger    *slog.Logger
	projects  map[string]*atlas.Project // by ID
	clusters  map[clusterName]*clusterRecord
}

// clusterRecord contains the facts about a cluster.
type clusterRecord struct {
	facts  *atlas.Cluster // as last listed; nil if never listed
	listed bool           // the recent lists contain the cluster
	exists *bool          // see Cluster
	since  time.Time      // when the cluster became known, in the configuration or in a list

	// tagsKnown is set once every list was read that can contain the tags of the cluster.
	tagsKnown bool

	// The ID and creation time identify the cluster to which the history belongs. See history.Policy for the others.
	id        string
	created   atlas.Timestamp
	notBefore atlas.Timestamp
	recreated bool

	published *Cluster
}

func newClusterFacts(logger *slog.Logger) *clusterFacts { return &clusterFacts{logger: logger} }

// update updates the facts about the clusters of planned targets from inventories, earlier ones first. It returns the
// facts about the cluster of each target, and sets notBefore and recreated of each target.
func (k *clusterFacts) update(config *Config, planned []plannedTarget, found ...inventory) []clusterState {
	read := indexInventories(found)
	kinds := map[clusterName][]atlas.ClusterKind{} // of the targets
	for i := range planned {
		list := &planned[i].list
		if kind, ok := atlas.ClusterKindOf(list.BackupType); ok {
			name := clusterName{list.ProjectID, list.ClusterName}
			kinds[name] = append(kinds[name], kind)
		}
		if read.projects[list.ProjectID] == nil && k.projects[list.ProjectID] != nil {
			read.projects[list.ProjectID] = k.projects[list.ProjectID]
		}
	}
	k.projects = read.projects

	k.undecided = false
	states, updated := make([]clusterState, len(planned)), map[clusterName]*clusterRecord{}
	for i := range planned {
		name := clusterName{planned[i].list.ProjectID, planned[i].list.ClusterName}
		record, first := updated[name], false
		if record == nil {
			record, first = cmp.Or(k.clusters[name], &clusterRecord{since: time.Now()}), true
			updated[name] = record
			k.updateRecord(record, name, kinds[name], read.lists[name.projectID])
			record.publish(name, k.projects[name.projectID], config, planned[i].settings)
			k.undecided = k.undecided || record.exists == nil && len(kinds[name]) > 0
		}
		planned[i].notBefore, planned[i].recreated = record.notBefore, record.recreated
		states[i] = clusterState{record.published, first}
	}
	k.retain(updated, read)
	return states
}

// retain replaces the records. It retains those of clusters without targets while their project is read, so that a
// cluster that was removed and comes back is recognized as another one.
func (k *clusterFacts) retain(updated map[clusterName]*clusterRecord, read *inventoryIndex) {
	for name, record := range k.clusters {
		if updated[name] == nil && read.lists[name.projectID] != nil && len(updated) < maxFound {
			updated[name] = record
		}
	}
	k.clusters = updated
}

// updateRecord updates the facts about a cluster from the lists of its project. Kinds are those of its targets.
func (k *clusterFacts) updateRecord(
	record *clusterRecord, name clusterName, kinds []atlas.ClusterKind, lists map[atlas.ClusterKind]*clusterIndex,
) {
	var latest, all []*atlas.Cluster
	exists := false
	for _, kind := range []atlas.ClusterKind{atlas.FlexClusters, atlas.DedicatedClusters} {
		if list := lists[kind]; list != nil {
			latest = append(latest, list.latest[name.name]...)
			all = append(all, list.previous[name.name]...)
			exists = exists || list.complete[name.name]
		}
	}
	// A Flex cluster may have the same name, such as during an upgrade. It must not make the dedicated one newer.
	isOther := func(c *atlas.Cluster) bool { return !c.Dedicated }
	dedicated := slices.DeleteFunc(slices.Clone(latest), isOther)
	all = slices.Concat(dedicated, latest, all)
	every := func(read func(*clusterIndex) bool) bool {
		return len(kinds) > 0 && !slices.ContainsFunc(kinds, func(kind atlas.ClusterKind) bool {
			return lists[kind] == nil || !read(lists[kind])
		})
	}
	// Only a list that was read since the cluster became known shows that it doesn't exist.
	absent := len(latest) == 0 && every(func(list *clusterIndex) bool {
		return list.complete != nil && !list.lastSuccess.Before(record.since)
	})
	if exists || absent {
		record.exists = &exists
	}
	allRead := every(func(*clusterIndex) bool { return true })
	record.tagsKnown = record.tagsKnown || len(all) > 0 || len(kinds) == 0 || allRead
	switch {
	case len(all) > 0:
		record.facts, record.listed = all[0], true
		if record.identify(all) {
			k.logger.Info("cluster was recreated, starting a new history", slog.String("project_id", name.projectID),
				slog.String("cluster_name", name.name), slog.Time("created", record.notBefore.Time()))
		}
	case allRead:
		record.listed = false
	}
}

// identify updates the identity of the cluster from its forms in two consecutive reads, latest first, and reports
// whether it is another cluster than before. One wrong read is not sufficient: if any form is the same cluster, it is.
// Creation times in the future are ignored, because current restores would precede them.
func (r *clusterRecord) identify(forms []*atlas.Cluster) (recreated bool) {
	now := atlas.TimestampOf(time.Now())
	created := func(c *atlas.Cluster) atlas.Timestamp {
		if c.Created > now {
			return 0
		}
		return c.Created
	}
	same := slices.IndexFunc(forms, func(c *atlas.Cluster) bool {
		return (r.id == "" || c.ID == "" || c.ID == r.id) &&
			(r.created == 0 || created(c) == 0 || created(c) == r.created)
	})
	if same >= 0 {
		r.id = cmp.Or(r.id, forms[same].ID)
		if r.created == 0 {
			r.created = created(forms[same])
			r.notBefore = cmp.Or(r.created, r.notBefore)
		}
		return false
	}
	r.id, r.created, r.recreated = forms[0].ID, created(forms[0]), true
	r.notBefore = cmp.Or(r.created, now-maxClockError)
	return true
}

// maxClockError is by how many seconds the local clock may be ahead of that of Atlas.
const maxClockError = 24 * 60 * 60

// publish replaces the published facts if they have changed. The settings are those of the cluster's first target. A
// cluster that is no longer listed keeps its labels, so that alerts about it reach its team.
func (r *clusterRecord) publish(name clusterName, project *atlas.Project, config *Config, settings *Target) {
	project, facts := cmp.Or(project, &atlas.Project{}), cmp.Or(r.facts, &atlas.Cluster{})
	label := func(configured *string, tag string) string {
		switch {
		case configured != nil:
			return *configured
		case tag == "" || !r.tagsKnown: // the cluster may have a tag that takes precedence over that of its project
			return ""
		}
		return cmp.Or(facts.Tags.Label(tag), project.Tags.Label(tag))
	}
	next := &Cluster{
		ProjectID: name.projectID, Name: name.name, ProjectName: project.Name,
		Team:        label(settings.Labels.Team, config.TagLabels.Team),
		Environment: label(settings.Labels.Environment, config.TagLabels.Environment),
		Exists:      r.exists,
	}
	if r.listed {
		next.BackupEnabled = facts.BackupEnabled
	}
	if r.listed && facts.Created <= atlas.TimestampOf(time.Now())+maxClockError { // else implausible
		next.Created = facts.Created
	}
	if r.listed && !facts.Flex {
		next.PointInTimeEnabled = facts.PointInTimeEnabled
	}
	if r.published == nil || !reflect.DeepEqual(r.published, next) {
		r.published = next
	}
}

// projectNames returns the names of projects by ID.
func (k *clusterFacts) projectNames() map[string]string {
	names := make(map[string]string, len(k.projects))
	for id, project := range k.projects {
		names[id] = project.Name
	}
	return names
}

// clusterState is the cluster of a target.
type clusterState struct {
	cluster *Cluster
	first   bool // the target is the first of the cluster
}

// inventoryIndex are the projects and the lists of clusters in inventories.
type inventoryIndex struct {
	projects map[string]*atlas.Project // by ID
	lists    map[string]map[atlas.ClusterKind]*clusterIndex
}

// clusterIndex is a list of clusters by name. A cluster that has changed has several forms, latest first.
type clusterIndex struct {
	latest, previous map[string][]*atlas.Cluster
	complete         map[string]bool // clusters in the last consistent list; nil if there was none
	lastSuccess      time.Time
}

// indexInventories indexes inventories. If several entries contain the same list, one whose last read succeeded takes
// precedence, then an earlier inventory, then the key that comes first.
func indexInventories(inventories []inventory) *inventoryIndex {
	index := &inventoryIndex{map[string]*atlas.Project{}, map[string]map[atlas.ClusterKind]*clusterIndex{}}
	for _, failed := range []bool{false, true} {
		for _, found := range inventories {
			for _, key := range slices.SortedFunc(maps.Keys(found), compareKeys) {
				if entry := found[key]; (entry.Err != nil) == failed {
					index.add(key.projectID, entry)
				}
			}
		}
	}
	return index
}

// add adds the projects and lists that the index doesn't contain.
func (x *inventoryIndex) add(projectID string, entry *inventoryEntry) {
	for i := range entry.projects.all {
		x.addProject(entry.projects.all[i].ID, &entry.projects.all[i])
	}
	if entry.project != nil {
		x.addProject(projectID, entry.project)
	}
	for kind, list := range entry.clusters {
		if x.lists[projectID] == nil {
			x.lists[projectID] = map[atlas.ClusterKind]*clusterIndex{}
		}
		if x.lists[projectID][kind] == nil {
			x.lists[projectID][kind] = indexClusters(&list)
			x.lists[projectID][kind].lastSuccess = entry.LastSuccess
		}
	}
}

func (x *inventoryIndex) addProject(id string, project *atlas.Project) {
	if x.projects[id] == nil {
		x.projects[id] = project
	}
}

func indexClusters(list *recentItems[atlas.Cluster]) *clusterIndex {
	byName := func(clusters []atlas.Cluster) map[string][]*atlas.Cluster {
		index := make(map[string][]*atlas.Cluster, len(clusters))
		for i := range clusters {
			index[clusters[i].Name] = append(index[clusters[i].Name], &clusters[i])
		}
		return index
	}
	index := &clusterIndex{latest: byName(list.latest), previous: byName(list.previous)}
	if list.complete != nil {
		index.complete = make(map[string]bool, len(list.complete))
		for i := range list.complete {
			index.complete[list.complete[i].Name] = true
		}
	}
	return index
}
