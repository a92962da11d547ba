package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// Schema returns the JSON Schema of the configuration file, in draft-07, which editors support. It is generated from
// the types that decode the file. It accepts every valid file, but not only valid files: it can't express that values
// depend on each other.
func Schema() []byte {
	root := schemaGenerator{settings}.object(reflect.TypeFor[rawConfig]())
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "Configuration of atlas-restore-exporter"
	root["required"] = []string{"credentials", "projects"}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		panic(err) // the schema contains only types that JSON can represent
	}
	return text.Bytes()
}

const (
	variablePattern = `\$\{[A-Za-z_][A-Za-z0-9_]*\}`

	durationPattern = `^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$`
	expiryPattern   = `^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2}))?$`
)

// schemaGenerator generates the schemas of the types of the configuration file.
type schemaGenerator struct{ settings map[string]setting }

// object returns the schema of a struct.
func (g schemaGenerator) object(t reflect.Type) map[string]any {
	properties, mandatory := map[string]any{}, []string{}
	g.properties(t, properties, &mandatory)
	schema := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(mandatory) > 0 {
		schema["required"] = mandatory
	}
	switch t {
	case reflect.TypeFor[rawCredential]():
		maps.Copy(schema, exactlyOne("service_account", "api_key"))
	case reflect.TypeFor[rawProject]():
		schema["if"] = required("id")
		schema["then"] = map[string]any{
			"not":   map[string]any{"anyOf": []any{required("name_include"), required("name_exclude")}},
			"anyOf": []any{required("clusters"), required("discovery")},
		}
		schema["else"] = map[string]any{"required": []string{"discovery"}, "not": required("clusters")}
	}
	return schema
}

func (g schemaGenerator) properties(t reflect.Type, properties map[string]any, mandatory *[]string) {
	for field := range t.Fields() {
		key := field.Tag.Get("yaml")
		if key == ",inline" {
			g.properties(field.Type, properties, mandatory)
			continue
		}
		setting := g.settings[settingKey(t, key)]
		schema := g.value(field.Type)
		if text, ok := setting.schema["pattern"].(string); ok {
			maps.Copy(schema, stringSchema(text))
		} else {
			maps.Copy(schema, setting.schema)
		}
		schema["description"] = setting.describe()
		properties[key] = schema
		if setting.defaultValue == "required" {
			*mandatory = append(*mandatory, key)
		}
	}
}

// settingKey returns the key of a setting in settings.
func settingKey(t reflect.Type, key string) string {
	return strings.TrimPrefix(t.Name(), "raw") + "." + key
}

// describe returns the meaning with the default and the allowed values.
func (s setting) describe() string {
	text := s.meaning
	if s.allowed != "" {
		text += " Allowed: " + s.allowed + "."
	}
	if s.defaultValue != "" && s.defaultValue != "required" {
		text += " Default: " + s.defaultValue + "."
	}
	return text
}

// value returns the schema of any type.
func (g schemaGenerator) value(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[duration]():
		schema := stringSchema(durationPattern)
		schema["minLength"] = 1
		return schema
	case reflect.TypeFor[expiry]():
		return stringSchema(expiryPattern)
	case reflect.TypeFor[concurrency]():
		number := map[string]any{"type": "integer", "minimum": 1, "maximum": poll.MaxSlots}
		return map[string]any{"anyOf": []any{number, stringSchema("^" + autoConcurrency + "$")}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.value(t.Elem())
	case reflect.Struct:
		return g.object(t)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": g.value(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": g.value(t.Elem())}
	case reflect.Int:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	default:
		return map[string]any{"type": "string"}
	}
}

// stringSchema returns the schema of a string that matches a pattern or contains an environment variable.
func stringSchema(text string) map[string]any {
	return map[string]any{"type": "string", "pattern": text + "|" + variablePattern}
}

// backupTypesSchema returns the schema of a list of backup types.
func backupTypesSchema(serverless bool) map[string]any {
	types := slices.DeleteFunc(atlas.BackupTypes(), func(t atlas.BackupType) bool {
		return t == atlas.Serverless && !serverless
	})
	return map[string]any{"minItems": 1, "uniqueItems": true, "items": map[string]any{
		"anyOf": []any{map[string]any{"enum": types}, map[string]any{"type": "string", "pattern": variablePattern}},
	}}
}
