package testutil

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// ContractDir is the environment variable with the directory of the OpenAPI description and the recorded responses of
// Atlas, which are not part of the project.
const ContractDir = "ATLAS_CONTRACT_DIR"

// ReadOpenAPI decodes the OpenAPI description of the Atlas API into v. If ContractDir is unset, it skips the test.
func ReadOpenAPI(t *testing.T, v any) {
	t.Helper()
	const file = "atlas-openapi-restore.json"
	dir := os.Getenv(ContractDir)
	if dir == "" {
		t.Skipf("%s is not set; it must be a directory with %s", ContractDir, file)
	}
	if err := json.Unmarshal([]byte(ReadFile(t, filepath.Join(dir, file))), v); err != nil {
		t.Fatal(err)
	}
}
