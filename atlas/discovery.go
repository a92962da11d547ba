package atlas

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Project is a project that a credential can access.
type Project struct {
	ID   string
	Name string // safe as a label value
	Tags Tags
}

// Tags are the tags of a project or cluster: values by key, as in the response.
type Tags map[string]string

// Label returns the value of a tag in a form that is safe as a label value; empty if there is no such tag.
func (t Tags) Label(key string) string { return sanitizeLabel(t[key]) }

// ProjectList is a list of projects, sorted by ID. If it isn't consistent, its counts contradict its items even after
// a second reading, and projects may be missing.
type ProjectList struct {
	Projects   []Project
	Consistent bool
}

// ClusterKind is a kind of cluster that has its own list. It is also the operation of the list.
type ClusterKind string

// The kinds of clusters that have backups.
const (
	DedicatedClusters ClusterKind = "clusters"
	FlexClusters      ClusterKind = "flex_clusters"
)

// ClusterKindOf returns the kind of cluster to which a backup type belongs. It returns false for serverless instances,
// because Atlas has retired them and no longer lists them.
func ClusterKindOf(backupType BackupType) (kind ClusterKind, ok bool) {
	switch backupType {
	case Dedicated, Collection, Legacy:
		return DedicatedClusters, true
	case Flex:
		return FlexClusters, true
	case Serverless:
	}
	return "", false
}

// Cluster is a cluster in a list of clusters. Fields that the response doesn't contain are zero.
type Cluster struct {
	Name    string
	ID      string
	Created Timestamp
	Tags    Tags

	BackupEnabled      *bool // cloud backup
	PointInTimeEnabled *bool // continuous cloud backup; nil for Flex clusters

	// CanHaveRestores is false for free clusters and for clusters that are being deleted, or were deleted.
	CanHaveRestores bool
	// Flex is set for Flex clusters, which Atlas may list among the dedicated ones, too.
	Flex bool
	// Dedicated is set for clusters that certainly are no Flex clusters: a region has the provider of its servers.
	Dedicated bool
}

// ClusterList is a list of clusters, sorted by name. If it isn't consistent, its counts contradict its items even after
// a second reading, and clusters may be missing.
type ClusterList struct {
	Clusters   []Cluster
	Consistent bool
}

var clusterRoutes = map[ClusterKind]struct{ path, version string }{
	DedicatedClusters: {"/clusters", "2024-08-05"},
	FlexClusters:      {"/flexClusters", "2024-11-13"},
}

const (
	projectVersion  = "2023-01-01"
	projectBucket   = "projects"
	clusterPageSize = 100 // a cluster has more than 100 commas, and more for each shard
	maxListPages    = 20  // a longer list is an error, because items on further pages would look removed
)

// Project reads a project.
func (c *Client) Project(ctx context.Context, projectID string) (Project, error) {
	var project wireProject
	err := c.get(ctx, apiRequest{
		operation: OperationProject, bucket: bucket{projectID: projectID, operations: projectBucket},
		path: projectPath(projectID), version: projectVersion,
	}, func(response response) error {
		return cmp.Or(checkNoError(response.body), describe(json.Unmarshal(response.body, &project, strict)))
	})
	if err != nil {
		return Project{}, err
	}
	project.ID = projectID
	return project.project(), nil
}

// Projects lists the projects that the credential can access.
func (c *Client) Projects(ctx context.Context) (ProjectList, error) {
	read, err := readList[wireProject](ctx, c, apiRequest{
		operation: OperationProjects, bucket: bucket{operations: projectBucket}, path: projectsPath, version: projectVersion,
	}, maxPageSize)
	if err != nil {
		return ProjectList{}, err
	}
	list := make([]Project, 0, len(read.items))
	for _, id := range slices.Sorted(maps.Keys(read.items)) {
		list = append(list, read.items[id].project())
	}
	return ProjectList{list, read.consistent}, nil
}

// Clusters lists the clusters of a kind in a project.
func (c *Client) Clusters(ctx context.Context, projectID string, kind ClusterKind) (ClusterList, error) {
	route := clusterRoutes[kind]
	read, err := readList[wireCluster](ctx, c, apiRequest{
		operation: string(kind), bucket: bucket{projectID: projectID, operations: string(kind)},
		path: projectPath(projectID) + route.path, version: route.version,
	}, clusterPageSize)
	if apiErr, ok := errors.AsType[*Error](err); ok && kind == FlexClusters && apiErr.Unsupported() {
		return ClusterList{Consistent: true}, nil
	}
	if err != nil {
		return ClusterList{}, err
	}
	list := make([]Cluster, 0, len(read.items))
	for _, name := range slices.Sorted(maps.Keys(read.items)) {
		cluster := read.items[name].cluster(read.date)
		cluster.Flex = cluster.Flex || kind == FlexClusters
		list = append(list, cluster)
	}
	return ClusterList{list, read.consistent}, nil
}

// listItem is an item of a list. Its key is unique in the list.
type listItem interface{ key() (key string, ok bool) }

// readItems are the items of a list by key.
type readItems[W listItem] struct {
	items      map[string]W
	consistent bool      // the counts of all pages agree with the number of items
	date       Timestamp // of the last response; see responseTime
}

// readList reads all pages of a list. If an item can't be decoded, the whole list is an error, because the item would
// look removed.
//
// If the counts of Atlas contradict the items, the list is read again. If they still do, readList returns the items of
// both readings, and reports that the list is not consistent: Atlas documents the counts as estimates.
func readList[W listItem](ctx context.Context, c *Client, request apiRequest, perPage int) (*readItems[W], error) {
	first, err := readListOnce[W](ctx, c, request, perPage)
	if err != nil || first.consistent {
		return first, err
	}
	second, err := readListOnce[W](ctx, c, request, perPage)
	if err != nil || second.consistent {
		return second, err
	}
	maps.Copy(first.items, second.items)
	return &readItems[W]{first.items, false, second.date}, nil
}

func readListOnce[W listItem](ctx context.Context, c *Client, request apiRequest, perPage int) (*readItems[W], error) {
	read := &readItems[W]{items: map[string]W{}, consistent: true}
	var total Count // on the first page
	for number := 1; number <= maxListPages; number++ {
		request.query = pageQuery(number, perPage).Encode()
		var page *wirePage[W]
		err := c.get(ctx, request, func(response response) (err error) {
			read.date = response.date
			if page, err = decodeItems[W](response.body, strict); err != nil {
				return err
			}
			return read.add(page.Results)
		})
		if err != nil {
			return nil, err
		}
		if number == 1 {
			total = page.TotalCount
		}
		read.consistent = read.consistent && page.TotalCount == total
		items := len(page.Results)
		if page.last(items) {
			n, given := total.Value()
			read.consistent = read.consistent && !page.cut(items) && (!given || n == int64(len(read.items)))
			return read, nil
		}
	}
	err := fmt.Errorf("list has more than %d pages", maxListPages)
	return nil, &MalformedError{Operation: request.operation, Err: err}
}

// add adds the items of a page.
func (r *readItems[W]) add(items []W) error {
	for _, item := range items {
		key, ok := item.key()
		if !ok {
			return errors.New("missing or invalid id or name")
		}
		r.items[key] = item
	}
	return nil
}

// wireProject is a project. Only its ID must be readable.
type wireProject struct {
	ID   string              `json:"id"`
	Name optional[string]    `json:"name"`
	Tags optional[[]wireTag] `json:"tags"`
}

func (p wireProject) key() (string, bool) { return p.ID, isValidID(p.ID) }

func (p wireProject) project() Project {
	return Project{ID: p.ID, Name: sanitizeLabel(p.Name.value), Tags: convertTags(p.Tags.value)}
}

// wireCluster is a cluster of any kind. Only the fields that decide which targets a cluster has must be readable.
type wireCluster struct {
	Name             string    `json:"name"`
	StateName        string    `json:"stateName"`
	Tags             []wireTag `json:"tags"`
	ReplicationSpecs []struct {
		RegionConfigs []struct {
			ProviderName   string `json:"providerName"`
			ElectableSpecs struct {
				EffectiveInstanceSize string `json:"effectiveInstanceSize"`
			} `json:"electableSpecs"`
		} `json:"regionConfigs"`
	} `json:"replicationSpecs"`

	ID             optional[string]    `json:"id"`
	CreateDate     optional[Timestamp] `json:"createDate"`
	BackupEnabled  optional[*bool]     `json:"backupEnabled"`
	PITEnabled     optional[*bool]     `json:"pitEnabled"`
	BackupSettings optional[struct {
		Enabled *bool `json:"enabled"`
	}] `json:"backupSettings"`
}

func (w wireCluster) key() (string, bool) { return w.Name, isValidID(w.Name) }

// maxClusterAge bounds the age of a cluster in seconds. Atlas was launched in 2016.
const maxClusterAge = 20 * 365 * 24 * 60 * 60

// cluster converts a cluster in a response of the given time. An implausible creation time is treated as absent: a
// change of the creation time means that the cluster was recreated. A cluster is too old only according to the local
// clock, because the Date header may be years ahead.
func (w wireCluster) cluster(date Timestamp) Cluster {
	cluster := Cluster{
		Name: w.Name, Tags: convertTags(w.Tags),
		BackupEnabled:      cmp.Or(w.BackupEnabled.value, w.BackupSettings.value.Enabled),
		PointInTimeEnabled: w.PITEnabled.value,
		CanHaveRestores:    !w.isDeleted() && !w.runsOn("TENANT"), // TENANT: free clusters
		Flex:               w.runsOn("FLEX"),
		Dedicated:          w.runsOn("AWS") || w.runsOn("AZURE") || w.runsOn("GCP"),
	}
	if created := w.CreateDate.value; created <= date && created >= TimestampOf(time.Now())-maxClusterAge {
		cluster.Created = created
	}
	if isValidID(w.ID.value) {
		cluster.ID = w.ID.value
	}
	return cluster
}

// isDeleted reports whether the cluster is being deleted, or is still listed after that.
func (w wireCluster) isDeleted() bool { return w.StateName == "DELETING" || w.StateName == "DELETED" }

// runsOn reports whether a region has the given provider or instance size. The API description has no provider FLEX in
// the list of dedicated clusters, but the instance size FLEX of the provider TENANT.
func (w wireCluster) runsOn(name string) bool {
	for _, spec := range w.ReplicationSpecs {
		for _, region := range spec.RegionConfigs {
			if region.ProviderName == name || region.ElectableSpecs.EffectiveInstanceSize == name {
				return true
			}
		}
	}
	return false
}

// optional is a field that is treated as absent if it can't be decoded.
type optional[T any] struct{ value T }

// UnmarshalJSONFrom accepts any value.
func (o *optional[T]) UnmarshalJSONFrom(decoder *jsontext.Decoder) error {
	data, err := decoder.ReadValue()
	if err != nil {
		return err
	}
	var value T
	if json.Unmarshal(data, &value, strict) == nil {
		o.value = value
	}
	return nil
}

type wireTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Limits on the tags of a project or cluster. Atlas allows 50, of 255 characters.
const (
	maxTags      = 100
	maxTagLength = 1024
)

// convertTags returns the tags within the limits.
func convertTags(tags []wireTag) Tags {
	converted := make(Tags, min(len(tags), maxTags))
	for _, tag := range tags {
		if len(converted) < maxTags && len(tag.Key) <= maxTagLength && len(tag.Value) <= maxTagLength {
			converted[tag.Key] = tag.Value
		}
	}
	return converted
}
