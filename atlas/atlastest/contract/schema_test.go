package contract

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/internal/config"
)

const configDir = "../../../internal/config/testdata"

// compileSchema returns the schema of the configuration file.
func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate returns the error of the schema for a configuration file. A text that is not YAML is invalid.
func validate(schema *jsonschema.Schema, text string) error {
	var value any
	if err := yaml.Load([]byte(text), &value); err != nil {
		return err
	}
	asJSON, err := json.Marshal(value) // dates become strings, as in editors
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return err
	}
	return schema.Validate(document)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSchema_AcceptsValidConfigurations(t *testing.T) {
	schema := compileSchema(t)
	example := readFile(t, "../../../config.example.yaml")
	texts := map[string]string{
		"example": example, "all settings uncommented": strings.ReplaceAll(example, "#: ", ""),
		"variables": `
credentials: {default: {service_account: {client_id: "${ID}", client_secret_file: "${DIR}/secret"}, expires: "${DATE}"}}
polling: {interval: "${INTERVAL}"}
atlas: {base_url: "${URL}"}
name: "${NAME}"
projects: [{id: "${PROJECT}", clusters: [{name: "${CLUSTER}", backup_types: ["${TYPE}"], labels: {team: "${TEAM}"}}]}]
`,
	}
	files, err := filepath.Glob(configDir + "/good/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		texts[file] = readFile(t, file)
	}
	for name, text := range texts {
		if err := validate(schema, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// notInSchema are the bad examples that a JSON Schema can't find: values that depend on each other, on files, or on the
// environment, duplicates, regular expressions, and details that need a calendar.
var notInSchema = []string{
	"active-interval-longer-than-interval", "ca-file-missing", "ca-file-no-certificate", "client-secret-file-missing",
	"cluster-interval", "cluster-objective-range", "cluster-twice", "discovery-interval-range", "discovery-pattern",
	"discovery-timeout", "expires-no-such-day", "full-poll-interval-long", "full-poll-interval-shorter-than-interval",
	"history-max-age-range", "interval-long", "interval-short", "job-series-longer-than-history",
	"objective-expiry-notice-range", "objective-range", "objective-recovery-point-age-range", "private-key-file-empty",
	"project-credential-missing", "project-credential-unknown", "project-interval", "project-twice", "secret-as-label",
	"secret-file-byte-order-mark", "secret-file-directory", "secret-file-of-two-lines", "secret-file-quotes",
	"stale-after-long", "stale-after-short", "timeout-longer-than-a-clusters-interval", "timeout-longer-than-interval",
	"timeout-range", "variable-empty", "variable-not-set",
}

func TestSchema_RejectsInvalidConfigurations(t *testing.T) {
	schema := compileSchema(t)
	files, err := filepath.Glob(configDir + "/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		err := validate(schema, readFile(t, file))
		switch known := slices.Contains(notInSchema, name); {
		case err == nil && !known:
			t.Errorf("%s is accepted", name)
		case err != nil && known:
			t.Errorf("%s is rejected, remove it from notInSchema: %v", name, err)
		}
	}
}
