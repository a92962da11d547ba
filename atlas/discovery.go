package atlas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Project is a project that a credential can access.
type Project struct {
	ID   string
	Name string // safe as a label value
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

// Cluster is a cluster that can have restore jobs.
type Cluster struct {
	Name string
	Tags map[string]string
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

// ProjectName reads the name of a project.
func (c *Client) ProjectName(ctx context.Context, projectID string) (string, error) {
	body, err := c.get(ctx, apiRequest{
		operation: OperationProject, bucket: bucket{projectID, projectBucket},
		path: projectPath(projectID), version: projectVersion,
	})
	if err != nil {
		return "", err
	}
	var project wireProject
	if err := json.Unmarshal(body, &project); err != nil {
		return "", &MalformedError{Operation: OperationProject, Err: err}
	}
	return sanitizeLabel(project.Name), nil
}

// Projects lists the projects that the credential can access, sorted by ID.
func (c *Client) Projects(ctx context.Context) ([]Project, error) {
	projects, err := readList[wireProject](ctx, c, apiRequest{
		operation: OperationProjects, bucket: bucket{"", projectBucket}, path: projectsPath, version: projectVersion,
	}, pageSize)
	if err != nil {
		return nil, err
	}
	list := make([]Project, 0, len(projects))
	for _, id := range slices.Sorted(maps.Keys(projects)) {
		list = append(list, Project{ID: id, Name: sanitizeLabel(projects[id].Name)})
	}
	return list, nil
}

// Clusters lists the clusters of a kind in a project, sorted by name. Free clusters, which have no backups, and
// clusters that are being deleted are left out.
func (c *Client) Clusters(ctx context.Context, projectID string, kind ClusterKind) ([]Cluster, error) {
	route := clusterRoutes[kind]
	clusters, err := readList[wireCluster](ctx, c, apiRequest{
		operation: string(kind), bucket: bucket{projectID, string(kind)},
		path: projectPath(projectID) + route.path, version: route.version,
	}, clusterPageSize)
	if apiErr, ok := errors.AsType[*Error](err); ok && kind == FlexClusters && apiErr.Unsupported() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list := make([]Cluster, 0, len(clusters))
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		if cluster := clusters[name]; cluster.canHaveRestores() {
			list = append(list, Cluster{Name: name, Tags: cluster.tags()})
		}
	}
	return list, nil
}

// listItem is an item of a list. Its key is unique in the list.
type listItem interface{ key() (key string, ok bool) }

// readList reads all pages of a list. If an item can't be decoded, the whole list is an error, because the item would
// look removed.
//
// If the counts of Atlas indicate a change, the list is read again. Two readings with the same items are accepted even
// if the counts disagree, because Atlas documents the counts as estimates.
func readList[W listItem](ctx context.Context, c *Client, request apiRequest, perPage int) (map[string]W, error) {
	items, err := readListOnce[W](ctx, c, request, perPage)
	if !errors.Is(err, ErrListChanged) {
		return items, err
	}
	again, err := readListOnce[W](ctx, c, request, perPage)
	ignoreValues := func(W, W) bool { return true }
	if errors.Is(err, ErrListChanged) && maps.EqualFunc(items, again, ignoreValues) {
		return again, nil
	}
	return again, err
}

// readListOnce returns the items that it has read even if the error is ErrListChanged.
func readListOnce[W listItem](ctx context.Context, c *Client, request apiRequest, perPage int) (map[string]W, error) {
	items := map[string]W{}
	var total Count // on the first page
	changed := false
	malformed := func(err error) error { return &MalformedError{Operation: request.operation, Err: err} }
	for number := 1; number <= maxListPages; number++ {
		request.query = pageQuery(number, perPage).Encode()
		body, err := c.get(ctx, request)
		if err != nil {
			return nil, err
		}
		page, err := decodeItems[W](body)
		if err != nil {
			return nil, malformed(err)
		}
		for _, item := range page.Results {
			key, ok := item.key()
			if !ok {
				return nil, malformed(errors.New("missing or invalid id or name"))
			}
			items[key] = item
		}
		if number == 1 {
			total = page.TotalCount
		}
		changed = changed || page.TotalCount != total
		if page.last() {
			if n, ok := total.Value(); number > 1 && (changed || ok && n != int64(len(items))) {
				return items, malformed(ErrListChanged)
			}
			return items, nil
		}
	}
	return nil, malformed(fmt.Errorf("list has more than %d pages", maxListPages))
}

type wireProject struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (p wireProject) key() (string, bool) { return p.ID, isValidID(p.ID) }

// wireCluster has the fields that both kinds of clusters have in common.
type wireCluster struct {
	Name      string `json:"name"`
	StateName string `json:"stateName"`
	Tags      []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"tags"`
	ReplicationSpecs []struct {
		RegionConfigs []struct {
			ProviderName string `json:"providerName"`
		} `json:"regionConfigs"`
	} `json:"replicationSpecs"`
}

func (w wireCluster) key() (string, bool) { return w.Name, isValidID(w.Name) }

// canHaveRestores reports whether the cluster has backups. Among the listed clusters, only free ones have the provider
// TENANT.
func (w wireCluster) canHaveRestores() bool {
	for _, spec := range w.ReplicationSpecs {
		for _, region := range spec.RegionConfigs {
			if region.ProviderName == "TENANT" {
				return false
			}
		}
	}
	return w.StateName != "DELETING"
}

func (w wireCluster) tags() map[string]string {
	tags := make(map[string]string, len(w.Tags))
	for _, tag := range w.Tags {
		tags[tag.Key] = tag.Value
	}
	return tags
}
