package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// TestSchema_IsCurrent compares the schema with the file that releases contain, or writes the file.
func TestSchema_IsCurrent(t *testing.T) {
	testutil.EqualGolden(t, "../../deploy/config.schema.json", string(Schema()))
}

func TestExampleConfiguration_RefersToTheSchema(t *testing.T) {
	first, _, _ := strings.Cut(testutil.ReadFile(t, "../../config.example.yaml"), "\n")
	if want := "# yaml-language-server: $schema=deploy/config.schema.json"; first != want {
		t.Errorf("first line %q, want %q", first, want)
	}
}

// row is a setting with its path in the file.
type row struct{ path, setting string }

// rows returns all keys of a type and of the types that it contains, except for mappings that are nothing but a group.
func rows(prefix string, t reflect.Type) []row {
	switch t.Kind() {
	case reflect.Pointer:
		return rows(prefix, t.Elem())
	case reflect.Slice:
		return rows(prefix+"[]", t.Elem())
	case reflect.Map:
		return rows(prefix+".NAME", t.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	var found []row
	for field := range t.Fields() {
		key := field.Tag.Get("yaml")
		if key == "" {
			continue
		}
		path := strings.TrimPrefix(prefix+"."+key, ".")
		if key == ",inline" {
			path = prefix
		} else {
			found = append(found, row{path, settingKey(t, key)})
		}
		found = append(found, rows(path, field.Type)...)
	}
	return found
}

func TestSettings_DocumentExactlyTheKeysOfTheFile(t *testing.T) {
	documented, used := settings, map[string]bool{}
	for _, row := range rows("", reflect.TypeFor[rawConfig]()) {
		used[row.setting] = true
		if documented[row.setting].meaning == "" {
			t.Errorf("%s (%s) is not documented", row.setting, row.path)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(documented)) {
		if !used[key] {
			t.Errorf("%s is documented, but it is not a key of the file", key)
		}
	}
}
