package status

import (
	"fmt"
	"strings"
	"testing"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/internal/testutil"
)

// TestRequiredRole_IsDocumented compares the table of roles in the documentation with those of remedies.
func TestRequiredRole_IsDocumented(t *testing.T) {
	text := testutil.ReadFile(t, "../../docs/atlas-access.md")
	for _, backupType := range atlas.BackupTypes() {
		row := fmt.Sprintf("\n| `%s` | %s |\n", backupType, requiredRole(backupType))
		if !strings.Contains(text, row) {
			t.Errorf("docs/atlas-access.md has no row %s", row)
		}
	}
	if rows := strings.Count(text, "| Project "); rows != len(atlas.BackupTypes())+1 { // one is for discovery
		t.Errorf("the table of roles has %d rows", rows)
	}
}

// TestRequiredRole_MatchesTheAPIDescription compares the roles with those in the official API description.
func TestRequiredRole_MatchesTheAPIDescription(t *testing.T) {
	var description struct {
		Paths map[string]struct {
			Get struct {
				Roles []string `json:"x-rolesRequirements"`
			} `json:"get"`
		} `json:"paths"`
	}
	testutil.ReadOpenAPI(t, &description)
	role := func(path string) string {
		return strings.Join(description.Paths["/api/atlas/v2/groups/{groupId}"+path].Get.Roles, ", ")
	}
	for backupType, path := range map[atlas.BackupType]string{
		atlas.Dedicated:  "/clusters/{clusterName}/backup/restoreJobs",
		atlas.Collection: "/clusters/{clusterName}/collectionRestoreJobs",
		atlas.Flex:       "/flexClusters/{name}/backup/restoreJobs",
		atlas.Legacy:     "/clusters/{clusterName}/restoreJobs",
		atlas.Serverless: "/serverless/{clusterName}/backup/restoreJobs",
	} {
		if got, want := requiredRole(backupType), role(path); got != want {
			t.Errorf("the role for %s is %q, want %q", backupType, got, want)
		}
	}
	for _, path := range []string{"", "/clusters", "/flexClusters"} { // the name of a project, and discovery
		if got := role(path); got != "Project Read Only" {
			t.Errorf("%q requires the role %q", path, got)
		}
	}
}
