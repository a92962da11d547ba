package main

import (
	"regexp"
	"strings"
	"testing"
)

// planted is a secret as Atlas makes them.
const planted = "mdb_sa_sk_NEVER-SHOW-8f3a1c"

// everySetting is a valid configuration with every setting that is no mapping on a line of its own.
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
      client_secret_file: testdata/ca.pem
  key-file:
    api_key:
      public_key: abcdefgh
      private_key_file: testdata/ca.pem
polling:
  interval: 1m
  timeout: 30s
  concurrency: 16
  full_sweep_interval: 1h
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

// TestConfigErrorsShowNoSecrets puts a secret where it does not belong, in every way in which people and templates do,
// and looks for it in what is said of the mistake.
func TestConfigErrorsShowNoSecrets(t *testing.T) {
	t.Setenv("TEST_SECRET", planted)
	try := func(text string) (err error) {
		t.Helper()
		config, err := parseConfig("config.yaml", []byte(text))
		if err != nil && strings.Contains(err.Error(), "8f3a1c") {
			t.Errorf("%v, for\n%s", err, text)
		}
		if err == nil && strings.Contains(strings.Join(config.Warnings, "\n"), "8f3a1c") {
			t.Errorf("%v", config.Warnings)
		}
		return err
	}
	if err := try(everySetting); err != nil {
		t.Fatal(err)
	}
	odd := []string{ // ways to write a value, and to get it wrong
		"MARK", `"MARK"`, "'MARK'", `"MARK`, "'MARK", "[MARK]", "{MARK: x}", "{MARK}", "*MARK", "&MARK x", "!MARK x", "!!int MARK", "!!float MARK", "!!binary MARK",
		"!!timestamp MARK", "!!bool MARK", "!!null MARK", "@MARK", "`MARK", "%MARK", "|MARK", ">MARK", "x: MARK", "MARK: x", "- MARK", "#MARK", `"\MARK"`, "MARK\nMARK",
		"'${TEST_SECRET}'", "prefix ${TEST_SECRET}", "https://user:MARK@cloud.mongodb.com", "MARK\n  - x", "\tMARK", "\"MARK\x00\"", "? MARK", "<<: MARK",
		"'${MARK}'", "{<<: MARK}", "MARK #", "[[MARK", "{{MARK", "{{ MARK }}", "${MARK", "1MARK", "-MARK", "0xMARK", "MARKd", "1hMARK",
	}
	lines, broken := strings.Split(everySetting, "\n"), 0
	setting := regexp.MustCompile(`^( *(?:- )?\w+: )\S+$|^( *- )\w+$`)
	for i, line := range lines {
		match := setting.FindStringSubmatch(line)
		if match == nil || strings.Contains(line, "ca_file") { // the path of what is no secret is told
			continue
		}
		before := match[1] + match[2]
		variants := []string{strings.TrimRight(before, ": ") + ":MARK", strings.TrimRight(before, ": ") + " MARK", before + "x\nMARK", before + "x\nMARK: x"}
		for _, way := range odd {
			variants = append(variants, before+way)
		}
		for _, variant := range variants {
			changed := append([]string{}, lines...)
			changed[i] = strings.ReplaceAll(variant, "MARK", planted)
			if try(strings.Join(changed, "\n")) != nil {
				broken++
			}
		}
	}
	for _, text := range []string{
		"MARK", "MARK: x", "MARK: x\nMARK: y", "- MARK", "credentials: MARK", "credentials: [MARK]", "credentials: {default: MARK}",
		"credentials: {default: {MARK: x}}", "credentials: {default: {service_account: MARK}}",
		"credentials: {default: {service_account: {client_id: x, client_secret:MARK}}}",
		"credentials: {default: {service_account: {client_id: x, MARK}}}",
		"credentials: {default: {service_account: {client_id: x, client_secret: x, MARK: y, MARK: z}}}",
		"credentials: {default: {api_key: {public_key: x, private_key=MARK}}}", "projects: [MARK]", "projects: MARK", "---\nMARK\n---\nMARK",
	} {
		if try(strings.ReplaceAll(text, "MARK", planted)) == nil {
			t.Errorf("no mistake: %s", text)
		}
	}
	if broken < 1000 {
		t.Errorf("only %d mistakes", broken)
	}
}
