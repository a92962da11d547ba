package atlastest

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// ClusterState has the fields of a cluster that a test can change.
type ClusterState struct {
	ID      string
	Created time.Time
	State   string // if empty, IDLE
	Paused  bool
	Tags    map[string]string
	// BackupEnabled and PointInTimeEnabled are the settings of cloud backup.
	BackupEnabled, PointInTimeEnabled bool
	// ListedAsDedicated lists a Flex cluster among the dedicated clusters, too, as the API description allows.
	ListedAsDedicated bool
}

// ChangeCluster changes an existing cluster.
func (s *Server) ChangeCluster(projectID, name string, change func(*ClusterState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.projects[projectID].clusters[name].state)
}

// SetProjectTags sets the tags of an existing project.
func (s *Server) SetProjectTags(id string, tags map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.projects[id].tags = tags
}

// RemoveProject removes a project and everything in it.
func (s *Server) RemoveProject(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.projects, id)
}

const organization = "a0123456789abcdef012345a"

// projectsResponse lists the projects that a credential can access. The order of the real list is not known.
func (s *Server) projectsResponse(r *http.Request, credential credential) response {
	return s.limit(r, "", "projects", "2023-01-01", func() response {
		ids := slices.Sorted(maps.Keys(s.projects))
		ids = slices.DeleteFunc(ids, func(id string) bool { return !credential.canAccess(id) })
		return pageResponse(r, ids, func(id string) any { return s.projects[id].render(id) })
	})
}

// projectResponse returns the response for a path that starts with a project ID.
func (s *Server) projectResponse(r *http.Request, credential credential, path []string) response {
	id := path[0]
	if !credential.canAccess(id) {
		return errorResponse(http.StatusUnauthorized, "USER_CANNOT_ACCESS_GROUP",
			"The current user is not allowed to access the group.", id)
	}
	project := s.projects[id]
	if project == nil {
		return errorResponse(http.StatusNotFound, "GROUP_NOT_FOUND", "No group with ID "+id+" exists.", id)
	}
	switch len(path) {
	case 1:
		return s.limit(r, id, "projects", "2023-01-01", func() response {
			return response{status: http.StatusOK, body: project.render(id)}
		})
	case 2:
		return s.clustersResponse(r, id, project, path[1])
	}
	return s.restoreResponse(r, id, project, path[1:])
}

func renderTags(tags map[string]string) []any {
	rendered := []any{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		rendered = append(rendered, map[string]any{"key": key, "value": tags[key]})
	}
	return rendered
}

func (p *project) render(id string) map[string]any {
	return map[string]any{
		"clusterCount": len(p.clusters), "created": "2020-07-02T09:19:46Z", "id": id,
		"links": []any{link("/api/atlas/v2/groups/"+id, "self")}, "name": p.name, "orgId": organization,
		"tags": renderTags(p.tags), "withDefaultAlertsSettings": true,
	}
}

// clusterLists describes the lists of clusters of a project.
var clusterLists = map[string]struct {
	resource
	contains func(*cluster) bool
}{
	"clusters": {
		resource{version: "2024-08-05", bucket: string(atlas.DedicatedClusters)},
		func(c *cluster) bool {
			return c.kind != ServerlessInstance && (c.kind != FlexCluster || c.state.ListedAsDedicated)
		},
	},
	"flexClusters": {
		resource{version: "2024-11-13", bucket: string(atlas.FlexClusters)},
		func(c *cluster) bool { return c.kind == FlexCluster },
	},
}

func (s *Server) clustersResponse(r *http.Request, projectID string, project *project, collection string) response {
	list, ok := clusterLists[collection]
	if !ok {
		return resourceNotFound(r)
	}
	return s.limit(r, projectID, list.bucket, list.version, func() response {
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(project.clusters)), func(name string) bool {
			return !list.contains(project.clusters[name])
		})
		return pageResponse(r, names, func(name string) any {
			return project.clusters[name].render(projectID, name, collection == "flexClusters")
		})
	})
}

// render returns the cluster as the list of Flex clusters, or of dedicated clusters, contains it. Fields that the
// exporter does not read are constant.
func (c *cluster) render(projectID, name string, flex bool) map[string]any {
	state := c.state.State
	if state == "" {
		state = "IDLE"
	}
	path := "/api/atlas/v2/groups/" + projectID + "/clusters/" + name
	body := map[string]any{
		"clusterType": "REPLICASET", "createDate": c.state.Created.UTC().Format(time.RFC3339), "groupId": projectID,
		"id": c.state.ID, "mongoDBVersion": "8.0.29", "name": name, "stateName": state, "tags": renderTags(c.state.Tags),
		"terminationProtectionEnabled": false,
		"versionReleaseSystem":         "LTS",
		"connectionStrings": map[string]any{
			"standard": "mongodb://" + name + ".example.net:27017", "standardSrv": "mongodb+srv://" + name + ".example.net",
		},
	}
	if flex {
		body["backupSettings"] = map[string]any{"enabled": c.state.BackupEnabled}
		body["providerSettings"] = map[string]any{
			"backingProviderName": "AWS", "diskSizeGB": 5.0, "providerName": "FLEX", "regionName": "US_EAST_1",
		}
		return body
	}
	maps.Copy(body, map[string]any{
		"backupEnabled": c.state.BackupEnabled, "diskWarmingMode": "FULLY_WARMED", "encryptionAtRestProvider": "NONE",
		"globalClusterSelfManagedSharding": false, "labels": []any{}, "mongoDBMajorVersion": "8.0", "paused": c.state.Paused,
		"pitEnabled": c.state.PointInTimeEnabled, "rootCertType": "ISRGROOTX1",
		"advancedConfiguration": map[string]any{
			"customOpensslCipherConfigTls12": []any{}, "customOpensslCipherConfigTls13": []any{},
			"minimumEnabledTlsProtocol": "TLS1_2", "tlsCipherConfigMode": "DEFAULT",
		},
		"biConnector": map[string]any{"enabled": false, "readPreference": "secondary"},
		"links": []any{
			link(path, "self"), link(path+"/backup/restoreJobs", "https://cloud.mongodb.com/restoreJobs"),
			link(path+"/backup/snapshots", "https://cloud.mongodb.com/snapshots"),
		},
		"replicationSpecs": []any{map[string]any{
			"id": c.state.ID, "zoneId": c.state.ID, "zoneName": "Zone 1", "regionConfigs": []any{regionConfig(c.kind)},
		}},
	})
	return body
}

func regionConfig(kind ClusterKind) map[string]any {
	tenant := func(specs map[string]any) map[string]any {
		return map[string]any{
			"backingProviderName": "AWS", "electableSpecs": specs, "priority": 7, "providerName": "TENANT",
			"regionName": "US_EAST_1",
		}
	}
	switch kind {
	case FreeCluster:
		return tenant(map[string]any{"instanceSize": "M0"})
	case FlexCluster:
		return tenant(map[string]any{"instanceSize": "M0", "effectiveInstanceSize": "FLEX"})
	case DedicatedCluster, LegacyCluster, ServerlessInstance:
	}
	specs := func(nodes int) map[string]any {
		return map[string]any{
			"diskIOPS": 3000, "diskSizeGB": 30.0, "ebsVolumeType": "STANDARD", "instanceSize": "M10", "nodeCount": nodes,
		}
	}
	return map[string]any{
		"analyticsSpecs": specs(0), "electableSpecs": specs(3), "readOnlySpecs": specs(0), "priority": 7,
		"providerName": "AWS", "regionName": "US_EAST_1",
		"autoScaling": map[string]any{
			"compute": map[string]any{"enabled": false, "scaleDownEnabled": false},
			"diskGB":  map[string]any{"enabled": false},
		},
	}
}
