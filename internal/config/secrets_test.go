package config

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// planted has the format of a client secret. Its last characters are unlikely in other text.
const (
	planted     = "mdb_sa_sk_NEVER-SHOW-8f3a1c"
	plantedTail = "8f3a1c"
)

// everySetting is a valid configuration. Each scalar setting has its own line.
const everySetting = `
atlas:
  base_url: https://cloud.mongodb.com
  ca_file: testdata/ca.pem
credentials:
  account:
    service_account:
      client_id: mdb_sa_id_1
      client_secret: x
  key:
    api_key:
      public_key: abcdefgh
      private_key: x
  file:
    service_account:
      client_id: mdb_sa_id_1
      client_secret_file: testdata/secret.txt
  key-file:
    api_key:
      public_key: abcdefgh
      private_key_file: testdata/secret.txt
    expires: 2119-03-01
polling:
  interval: 1m
  timeout: 30s
  concurrency: 16
  full_poll_interval: 1h
  stale_after: 10m
history:
  max_age: 400d
  max_jobs: 5000
job_series:
  max_age: 72h
  max_per_target: 50
objectives:
  duration: 4h
  drill_age: 90d
  recovery_point_age: 2d
  expiry_notice: 1h
labels:
  team: database
tag_labels:
  environment: env
drill_targets:
  - project_id: 32b6e34b3d91647abb20e7b8
projects:
  - id: 32b6e34b3d91647abb20e7b8
    credential: account
    interval: 1m
    allowed_targets:
      - project_id: 32b6e34b3d91647abb20e7b8
        cluster_names:
          - drill
    clusters:
      - name: prod
        interval: 1m
        backup_types:
          - dedicated
`

// misplacedValues are values that contain the secret, most of them invalid: people and templates produce all of them.
var misplacedValues = []string{
	"MARK", `"MARK"`, "'MARK'", `"MARK`, "'MARK", "[MARK]", "{MARK: x}", "{MARK}", "*MARK", "&MARK x",
	"!MARK x", "!!int MARK", "!!float MARK", "!!binary MARK", "!!timestamp MARK", "!!bool MARK", "!!null MARK",
	"@MARK", "`MARK", "%MARK", "|MARK", ">MARK", "x: MARK", "MARK: x", "- MARK", "#MARK", `"\MARK"`,
	"MARK\nMARK", "'${TEST_SECRET}'", "prefix ${TEST_SECRET}", "https://user:MARK@cloud.mongodb.com",
	"MARK\n  - x", "\tMARK", "\"MARK\x00\"", "? MARK", "<<: MARK", "'${MARK}'", "{<<: MARK}", "MARK #",
	"[[MARK", "{{MARK", "{{ MARK }}", "${MARK", "1MARK", "-MARK", "0xMARK", "MARKd", "1hMARK",
}

// scalarSetting matches a line with a setting and its value, or with an item of a list.
var scalarSetting = regexp.MustCompile(`^( *(?:- )?\w+: )\S+$|^( *- )\w+$`)

// parseWithoutLeak parses a text that contains the secret. It fails the test if the error or a warning contains the
// secret.
func parseWithoutLeak(t *testing.T, text string) error {
	t.Helper()
	config, err := Parse("config.yaml", []byte(text))
	switch {
	case err != nil && strings.Contains(err.Error(), plantedTail):
		t.Errorf("%v, for\n%s", err, text)
	case err == nil && strings.Contains(strings.Join(config.Warnings, "\n"), plantedTail):
		t.Errorf("warnings %q", config.Warnings)
	}
	return err
}

func TestParse_ShowsNoSecretIfAnySettingContainsIt(t *testing.T) {
	t.Setenv("TEST_SECRET", planted)
	mustParse(t, everySetting)
	lines, rejected := strings.Split(everySetting, "\n"), 0
	for i, line := range lines {
		match := scalarSetting.FindStringSubmatch(line)
		if match == nil || strings.Contains(line, "ca_file") { // errors contain the path of ca_file, which is no secret
			continue
		}
		prefix := match[1] + match[2]
		key := strings.TrimRight(prefix, ": ")
		variants := []string{key + ":MARK", key + " MARK", prefix + "x\nMARK", prefix + "x\nMARK: x"}
		for _, value := range misplacedValues {
			variants = append(variants, prefix+value)
		}
		for _, variant := range variants {
			changed := slices.Clone(lines)
			changed[i] = strings.ReplaceAll(variant, "MARK", planted)
			if parseWithoutLeak(t, strings.Join(changed, "\n")) != nil {
				rejected++
			}
		}
	}
	if rejected < 1000 {
		t.Errorf("only %d of the texts are invalid", rejected)
	}
}

func TestParse_ShowsNoSecretInPlaceOfAStructure(t *testing.T) {
	for _, text := range []string{
		"MARK", "MARK: x", "MARK: x\nMARK: y", "- MARK", "credentials: MARK", "credentials: [MARK]",
		"credentials: {default: MARK}", "credentials: {default: {MARK: x}}",
		"credentials: {default: {service_account: MARK}}",
		"credentials: {default: {service_account: {client_id: x, client_secret:MARK}}}",
		"credentials: {default: {service_account: {client_id: x, MARK}}}",
		"credentials: {default: {service_account: {client_id: x, client_secret: x, MARK: y, MARK: z}}}",
		"credentials: {default: {api_key: {public_key: x, private_key=MARK}}}", "projects: [MARK]",
		"projects: MARK", "---\nMARK\n---\nMARK",
	} {
		if parseWithoutLeak(t, strings.ReplaceAll(text, "MARK", planted)) == nil {
			t.Errorf("valid: %s", text)
		}
	}
}
