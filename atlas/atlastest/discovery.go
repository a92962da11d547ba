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
	State  string // if empty, IDLE
	Paused bool
	Tags   map[string]string
}

// ChangeCluster changes an existing cluster.
func (s *Server) ChangeCluster(projectID, name string, change func(*ClusterState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.projects[projectID].clusters[name].state)
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

func (p *project) render(id string) map[string]any {
	return map[string]any{
		"clusterCount": len(p.clusters), "created": "2020-07-02T09:19:46Z", "id": id,
		"links": []any{link("/api/atlas/v2/groups/"+id, "self")}, "name": p.name, "orgId": organization,
		"tags": []any{}, "withDefaultAlertsSettings": true,
	}
}

// clusterLists describes the lists of clusters of a project.
var clusterLists = map[string]struct {
	resource
	contains func(ClusterKind) bool
}{
	"clusters": {
		resource{version: "2024-08-05", bucket: string(atlas.DedicatedClusters)},
		func(kind ClusterKind) bool { return kind != FlexCluster && kind != ServerlessInstance },
	},
	"flexClusters": {
		resource{version: "2024-11-13", bucket: string(atlas.FlexClusters)},
		func(kind ClusterKind) bool { return kind == FlexCluster },
	},
}

func (s *Server) clustersResponse(r *http.Request, projectID string, project *project, collection string) response {
	list, ok := clusterLists[collection]
	if !ok {
		return resourceNotFound(r)
	}
	return s.limit(r, projectID, list.bucket, list.version, func() response {
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(project.clusters)), func(name string) bool {
			return !list.contains(project.clusters[name].kind)
		})
		return pageResponse(r, names, func(name string) any { return project.clusters[name].render(projectID, name) })
	})
}

// render returns the cluster as a list contains it. Fields that the exporter does not read are constant.
func (c *cluster) render(projectID, name string) map[string]any {
	state := c.state.State
	if state == "" {
		state = "IDLE"
	}
	tags := []any{}
	for _, key := range slices.Sorted(maps.Keys(c.state.Tags)) {
		tags = append(tags, map[string]any{"key": key, "value": c.state.Tags[key]})
	}
	path := "/api/atlas/v2/groups/" + projectID + "/clusters/" + name
	body := map[string]any{
		"clusterType": "REPLICASET", "createDate": c.created.UTC().Format(time.RFC3339), "groupId": projectID, "id": c.id,
		"mongoDBVersion": "8.0.29", "name": name, "stateName": state, "tags": tags, "terminationProtectionEnabled": false,
		"versionReleaseSystem": "LTS",
		"connectionStrings": map[string]any{
			"standard": "mongodb://" + name + ".example.net:27017", "standardSrv": "mongodb+srv://" + name + ".example.net",
		},
	}
	if c.kind == FlexCluster {
		body["backupSettings"] = map[string]any{"enabled": true}
		body["providerSettings"] = map[string]any{
			"backingProviderName": "AWS", "diskSizeGB": 5.0, "providerName": "FLEX", "regionName": "US_EAST_1",
		}
		return body
	}
	free := c.kind == FreeCluster
	maps.Copy(body, map[string]any{
		"backupEnabled": !free, "diskWarmingMode": "FULLY_WARMED", "encryptionAtRestProvider": "NONE",
		"globalClusterSelfManagedSharding": false, "labels": []any{}, "mongoDBMajorVersion": "8.0", "paused": c.state.Paused,
		"pitEnabled": false, "rootCertType": "ISRGROOTX1",
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
			"id": c.id, "zoneId": c.id, "zoneName": "Zone 1", "regionConfigs": []any{regionConfig(free)},
		}},
	})
	return body
}

func regionConfig(free bool) map[string]any {
	if free {
		return map[string]any{
			"backingProviderName": "AWS", "electableSpecs": map[string]any{"instanceSize": "M0"}, "priority": 7,
			"providerName": "TENANT", "regionName": "US_EAST_1",
		}
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
