package atlastest

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// ClusterState is what the lists of clusters say of one, besides its name and kind.
type ClusterState struct {
	State  string // IDLE where empty
	Paused bool
	Tags   map[string]string
}

// ChangeCluster changes what the lists say of a cluster that was added.
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

// listProjects answers with the projects that a credential sees, all where none is named. Nobody knows in which order
// Atlas lists them.
func (s *Server) listProjects(r *http.Request, seen []string) answer {
	return s.limited(r, "", "projects", "2023-01-01", func() answer {
		ids := slices.Sorted(maps.Keys(s.projects))
		if len(seen) > 0 {
			ids = slices.DeleteFunc(ids, func(id string) bool { return !slices.Contains(seen, id) })
		}
		return paged(r, ids, func(id string) any { return s.projects[id].render(id) })
	})
}

func (p *project) render(id string) map[string]any {
	return map[string]any{
		"clusterCount": len(p.clusters), "created": "2020-07-02T09:19:46Z", "id": id,
		"links": []any{link("/api/atlas/v2/groups/"+id, "self")}, "name": p.name, "orgId": organization,
		"tags": []any{}, "withDefaultAlertsSettings": true,
	}
}

// clusterLists are the lists of clusters of a project.
var clusterLists = map[string]struct {
	resource
	has func(ClusterKind) bool
}{
	"clusters": {
		resource{version: "2024-08-05", set: string(atlas.DedicatedClusters)},
		func(kind ClusterKind) bool { return kind != FlexCluster && kind != ServerlessInstance },
	},
	"flexClusters": {
		resource{version: "2024-11-13", set: string(atlas.FlexClusters)},
		func(kind ClusterKind) bool { return kind == FlexCluster },
	},
}

func (s *Server) listClusters(r *http.Request, projectID string, project *project, collection string) answer {
	list, ok := clusterLists[collection]
	if !ok {
		return noSuchResource(r)
	}
	return s.limited(r, projectID, list.set, list.version, func() answer {
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(project.clusters)), func(name string) bool {
			return !list.has(project.clusters[name].kind)
		})
		return paged(r, names, func(name string) any { return project.clusters[name].render(projectID, name) })
	})
}

// render returns the cluster as a list shows it. Most of it is the same for all: nothing here depends on it.
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
		return map[string]any{"diskIOPS": 3000, "diskSizeGB": 30.0, "ebsVolumeType": "STANDARD", "instanceSize": "M10", "nodeCount": nodes}
	}
	return map[string]any{
		"analyticsSpecs": specs(0), "electableSpecs": specs(3), "readOnlySpecs": specs(0), "priority": 7,
		"providerName": "AWS", "regionName": "US_EAST_1",
		"autoScaling": map[string]any{
			"compute": map[string]any{"enabled": false, "scaleDownEnabled": false}, "diskGB": map[string]any{"enabled": false},
		},
	}
}
