package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atlas-restore-exporter/atlas"
)

func securityText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSecurityRoles holds the table of least roles to what `check` advises.
func TestSecurityRoles(t *testing.T) {
	text := securityText(t)
	for _, backupType := range atlas.BackupTypes() {
		if row := fmt.Sprintf("\n| `%s` | %s |\n", backupType, leastRole(backupType)); !strings.Contains(text, row) {
			t.Errorf("SECURITY.md has no row %s", row)
		}
	}
	if rows := strings.Count(text, "| Project "); rows != len(atlas.BackupTypes())+1 { // and discovery
		t.Errorf("%d rows", rows)
	}
}

// TestLeastRoles holds the roles to the official description.
func TestLeastRoles(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(contractDir(t), "atlas-openapi-restore.json"))
	if err != nil {
		t.Fatal(err)
	}
	var description struct {
		Paths map[string]struct {
			Get struct {
				Roles []string `json:"x-rolesRequirements"`
			} `json:"get"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(text, &description); err != nil {
		t.Fatal(err)
	}
	role := func(path string) string {
		return strings.Join(description.Paths["/api/atlas/v2/groups/{groupId}"+path].Get.Roles, ", ")
	}
	for backupType, list := range map[atlas.BackupType]string{
		atlas.Dedicated:  "/clusters/{clusterName}/backup/restoreJobs",
		atlas.Collection: "/clusters/{clusterName}/collectionRestoreJobs",
		atlas.Flex:       "/flexClusters/{name}/backup/restoreJobs",
		atlas.Legacy:     "/clusters/{clusterName}/restoreJobs",
		atlas.Serverless: "/serverless/{clusterName}/backup/restoreJobs",
	} {
		if want := role(list); leastRole(backupType) != want {
			t.Errorf("least role for %s is %s, want %s", backupType, leastRole(backupType), want)
		}
	}
	for _, path := range []string{"", "/clusters", "/flexClusters"} { // the project's name, and discovery
		if got := role(path); got != "Project Read Only" {
			t.Errorf("%q needs %s", path, got)
		}
	}
}

// TestSecurityNumbers holds what SECURITY.md says of time and place to the code.
func TestSecurityNumbers(t *testing.T) {
	text := securityText(t)
	for _, want := range []string{
		fmt.Sprintf("Within %d s the exporter notices", int(watchInterval.Seconds())),
		"`client_secret_file`", "`private_key_file`", "`atlas.ca_file`", "`--web.enable-lifecycle`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("SECURITY.md does not say %s", want)
		}
	}
	for _, link := range []string{"deploy/systemd/atlas-restore-exporter.service", "deploy/kubernetes/chart", "deploy/kubernetes/manifests.yaml", "deploy/docker/Dockerfile", "deploy/release/README.md"} {
		if _, err := os.Stat(link); err != nil || !strings.Contains(text, "]("+link+")") {
			t.Errorf("SECURITY.md links to %s: %v", link, err)
		}
	}
}
