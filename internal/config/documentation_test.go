package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// settingRows are the rows of the table of settings: name, default, range, and scope.
var settingRows = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]*) \\| ([^|]*) \\| ([^|]*) \\|")

// settingRow is a row of the table of settings.
type settingRow struct{ defaultValue, allowed, scope string }

func readSettingRows(t *testing.T) map[string]settingRow {
	t.Helper()
	rows := map[string]settingRow{}
	_, table, _ := strings.Cut(testutil.ReadFile(t, "../../docs/configuration.md"), "## All settings")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, match := range settingRows.FindAllStringSubmatch(table, -1) {
		rows[match[1]] = settingRow{match[2], match[3], match[4]}
	}
	return rows
}

// TestSettings_AreDocumented compares the table of settings with the keys of the file. A setting that is inherited has
// one row.
func TestSettings_AreDocumented(t *testing.T) {
	rows := readSettingRows(t)
	paths := settingPaths("", reflect.TypeFor[rawConfig]())
	if len(paths) < 40 {
		t.Errorf("only %d settings were found", len(paths))
	}
	for path := range paths {
		if _, ok := rows[path]; !ok {
			t.Errorf("the table has no setting %s", path)
		}
		delete(rows, path)
	}
	delete(rows, "projects") // required maps and lists have rows of their own
	delete(rows, "credentials")
	delete(rows, "projects[].discovery")
	for path := range rows {
		t.Errorf("there is no setting %s", path)
	}
}

// settingPaths returns the paths of the settings in a type that mirrors the file.
func settingPaths(prefix string, fields reflect.Type) map[string]bool {
	paths := map[string]bool{}
	for field := range fields.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		kind := field.Type
		if key == "" && prefix != "" { // inherited
			continue
		}
		path := strings.TrimPrefix(prefix+"."+key, ".")
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		switch {
		case kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct:
			kind, path = kind.Elem(), path+"[]"
		case kind.Kind() == reflect.Map && kind.Elem().Kind() == reflect.Struct:
			kind, path = kind.Elem(), path+".*"
		}
		if kind.Kind() != reflect.Struct || kind == reflect.TypeFor[expiry]() {
			paths[path] = true
			continue
		}
		maps.Copy(paths, settingPaths(path, kind))
	}
	return paths
}

// withSetting returns the minimal configuration with a setting, whose path has one or two keys.
func withSetting(path, value string) string {
	section, key, nested := strings.Cut(path, ".")
	if !nested {
		return fmt.Sprintf("%s: %s\n%s", section, value, minimal)
	}
	return fmt.Sprintf("%s: {%s: %s}\n%s", section, key, value, minimal)
}

var (
	codeSpan      = regexp.MustCompile("^`([^`]+)`")
	documentRange = regexp.MustCompile("^`([^`]+)` to `([^`]+)`$")
	literals      = regexp.MustCompile(`^[\d.]+[a-z]*$`)
)

// TestSettings_DefaultsAreDocumented checks that a configuration that sets a documented default is the same as one that
// doesn't.
func TestSettings_DefaultsAreDocumented(t *testing.T) {
	want, checked := mustParse(t, minimal), 0
	want.text = nil
	for path, row := range readSettingRows(t) {
		value := codeSpan.FindStringSubmatch(row.defaultValue)
		if value == nil || strings.ContainsAny(path, "[*") {
			continue
		}
		checked++
		got := mustParse(t, withSetting(path, value[1]))
		got.text = nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is not the default of %s", value[1], path)
		}
	}
	if checked < 14 {
		t.Errorf("only %d defaults were checked", checked)
	}
}

// TestSettings_RangesAreDocumented checks that the ends of a documented range are valid, and that values beyond its
// upper end are not.
func TestSettings_RangesAreDocumented(t *testing.T) {
	checked := 0
	for path, row := range readSettingRows(t) {
		limits := documentRange.FindStringSubmatch(row.allowed)
		if limits == nil || strings.ContainsAny(path, "[*") {
			continue
		}
		for _, limit := range limits[1:] {
			if !literals.MatchString(limit) {
				continue // another setting
			}
			checked++
			if _, err := Parse("", []byte(withSetting(path, limit))); err != nil {
				t.Errorf("%s of %s is not valid: %v", limit, path, err)
			}
		}
		beyond := limits[2] + "1s"
		if !strings.ContainsAny(limits[2], "smhd") {
			beyond = limits[2] + "1"
		}
		if !literals.MatchString(limits[2]) {
			continue
		}
		if _, err := Parse("", []byte(withSetting(path, beyond))); err == nil {
			t.Errorf("%s of %s is valid", beyond, path)
		}
	}
	if checked < 20 {
		t.Errorf("only %d limits were checked", checked)
	}
}

var yamlBlocks = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// TestConfigurationPage_HasValidExamples parses the examples in the documentation of the configuration.
func TestConfigurationPage_HasValidExamples(t *testing.T) {
	t.Setenv("ATLAS_CLIENT_ID", "mdb_sa_id_1")
	secretFile := filepath.Join(t.TempDir(), "secret")
	testutil.WriteFile(t, secretFile, "x")
	examples := yamlBlocks.FindAllStringSubmatch(testutil.ReadFile(t, "../../docs/configuration.md"), -1)
	if len(examples) < 2 {
		t.Fatalf("only %d examples were found", len(examples))
	}
	for _, example := range examples {
		text := strings.ReplaceAll(example[1], "atlas-client-secret", secretFile)
		if !strings.Contains(text, "credentials:") {
			text += minimal
		}
		mustParse(t, text)
	}
}
