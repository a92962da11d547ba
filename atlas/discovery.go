package atlas

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Project is a project that a credential sees.
type Project struct {
	ID   string
	Name string // fit to be a label
}

// ClusterKind is a kind of clusters that Atlas lists apart from others. It is also the Observer's word for the list.
type ClusterKind string

// The kinds of clusters that have backups.
const (
	DedicatedClusters ClusterKind = "clusters"
	FlexClusters      ClusterKind = "flex_clusters"
)

// ClusterKindOf returns the kind of the clusters whose restore jobs are of a backup type. Serverless instances, which
// are gone, are not listed any longer.
func ClusterKindOf(backupType BackupType) (kind ClusterKind, listed bool) {
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

// clusterRoutes say how the clusters of a project are asked for.
var clusterRoutes = map[ClusterKind]struct{ path, version string }{
	DedicatedClusters: {"/clusters", "2024-08-05"},
	FlexClusters:      {"/flexClusters", "2024-11-13"},
}

// Bounds of a list of projects or clusters. A list that is longer is an error: what is not known of it would look as if
// it were gone.
const (
	maxListPages    = 20
	clusterPageSize = 100 // some hundred commas a cluster, and more for each shard
)

// errListChanged says that a list of several pages changed while it was read, as its counts show: what was missed when
// the page borders moved would look as if it were gone.
var errListChanged = errors.New("the list changed while it was read")

// Projects lists the projects that the credential sees, in the order of their ids.
func (c *Client) Projects(ctx context.Context) ([]Project, error) {
	projects, err := listAll[wireProject](ctx, c, call{
		endpoint: EndpointProjects, set: "projects", path: projectsPath, version: "2023-01-01",
	}, pageSize)
	if err != nil {
		return nil, err
	}
	list := make([]Project, 0, len(projects))
	for _, id := range slices.Sorted(maps.Keys(projects)) {
		list = append(list, Project{ID: id, Name: cleanLabel(projects[id].Name)})
	}
	return list, nil
}

// Clusters lists the clusters of a project that are of a kind and can have restore jobs, in the order of their names:
// without free ones, which have no backups, and without those that are being deleted.
func (c *Client) Clusters(ctx context.Context, projectID string, kind ClusterKind) ([]Cluster, error) {
	route := clusterRoutes[kind]
	clusters, err := listAll[wireCluster](ctx, c, call{
		endpoint: string(kind), set: string(kind), projectID: projectID,
		path: projectPath(projectID) + route.path, version: route.version,
	}, clusterPageSize)
	if refusal, ok := errors.AsType[*Error](err); ok && kind == FlexClusters && refusal.Unsupported() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list := make([]Cluster, 0, len(clusters))
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		if cluster := clusters[name]; cluster.restorable() {
			list = append(list, Cluster{Name: name, Tags: cluster.tags()})
		}
	}
	return list, nil
}

// listed is an item of a list. Its key tells it from the others.
type listed interface{ key() (string, bool) }

// listAll reads a list to its end. An item that can't be read makes the whole list an error, since whatever it stands
// for would else look as if it were gone.
//
// Atlas calls its counts estimates: what is read twice alike is right, whatever they say.
func listAll[W listed](ctx context.Context, c *Client, what call, perPage int) (map[string]W, error) {
	items, err := listOnce[W](ctx, c, what, perPage)
	if !errors.Is(err, errListChanged) {
		return items, err
	}
	again, err := listOnce[W](ctx, c, what, perPage)
	if same := func(W, W) bool { return true }; errors.Is(err, errListChanged) && maps.EqualFunc(items, again, same) {
		return again, nil
	}
	return again, err
}

// listOnce returns what it has read even with errListChanged.
func listOnce[W listed](ctx context.Context, c *Client, what call, perPage int) (map[string]W, error) {
	items := map[string]W{}
	var total Count // as the first page has it
	changed := false
	malformed := func(err error) error { return &MalformedError{Endpoint: what.endpoint, Err: err} }
	for number := 1; number <= maxListPages; number++ {
		what.query = pageQuery(number, perPage).Encode()
		body, err := c.get(ctx, what)
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
				return nil, malformed(errors.New("item without a usable id or name"))
			}
			items[key] = item
		}
		if number == 1 {
			total = page.TotalCount
		}
		changed = changed || page.TotalCount != total
		if page.last() {
			if n, given := total.Value(); number > 1 && (changed || given && n != int64(len(items))) {
				return items, malformed(errListChanged)
			}
			return items, nil
		}
	}
	return nil, malformed(fmt.Errorf("more than %d pages", maxListPages))
}

type wireProject struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (p wireProject) key() (string, bool) { return p.ID, usableID(p.ID) }

// wireCluster is what both kinds of clusters have in common, as far as it matters here.
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

func (w wireCluster) key() (string, bool) { return w.Name, usableID(w.Name) }

// restorable reports whether there can be restore jobs of the cluster. A free cluster, alone among those that are
// listed, is a tenant of a shared one.
func (w wireCluster) restorable() bool {
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
