package atlas

import (
	"bytes"
	"reflect"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// This file decodes jobs of which a field can't be read. Each field of a wire format is decoded alone, with the same
// result as in the whole job, and is omitted if it can't be read or is repeated. The same applies to nested objects and
// lists of objects.

// salvageJob decodes the fields of a job that can be read, and adds the others to found.
func salvageJob[W wireJob](body []byte, found *findings) (W, error) {
	var wire W
	if !found.salvageObject(body, reflect.ValueOf(&wire).Elem(), "") {
		return wire, errNotJob
	}
	return wire, nil
}

// salvageObject decodes the fields of an object. It reports false if the value is not an object.
func (f *findings) salvageObject(data []byte, object reflect.Value, prefix string) bool {
	decoder := jsontext.NewDecoder(bytes.NewReader(data), lenient)
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != jsontext.KindBeginObject {
		return false
	}
	seen := map[string]bool{}
	for decoder.PeekKind() != jsontext.KindEndObject {
		token, err := decoder.ReadToken()
		if err != nil {
			return false
		}
		key := token.String()
		value, err := decoder.ReadValue()
		if err != nil {
			return false
		}
		field, ok := wireFieldOf(object, key)
		switch {
		case !ok:
		case seen[key]:
			field.SetZero()
			f.omit(prefix + snakeCase(key))
		default:
			seen[key] = true
			f.salvageValue(value, field, prefix+snakeCase(key))
		}
	}
	return true
}

// salvageValue decodes a value as far as it can be read.
func (f *findings) salvageValue(data []byte, value reflect.Value, name string) {
	if json.Unmarshal(data, value.Addr().Interface(), strict) == nil {
		return
	}
	value.SetZero() // it may be partly set
	readable := false
	switch {
	case isLeaf(value.Type()):
	case value.Kind() == reflect.Struct:
		readable = f.salvageObject(data, value, name+"_")
	case value.Kind() == reflect.Slice:
		readable = f.salvageList(data, value, name)
	}
	if !readable {
		f.omit(name)
	}
}

// salvageList decodes the items of a list. It reports false if the value is not a list.
func (f *findings) salvageList(data []byte, list reflect.Value, name string) bool {
	var items []jsontext.Value
	if json.Unmarshal(data, &items, lenient) != nil {
		return false
	}
	list.Set(reflect.MakeSlice(list.Type(), len(items), len(items)))
	for i, item := range items {
		f.salvageValue(item, list.Index(i), name)
	}
	return true
}

// wireFieldOf returns the field of an object for a JSON key.
func wireFieldOf(object reflect.Value, key string) (field reflect.Value, ok bool) {
	for structField, value := range object.Fields() {
		if structField.Tag.Get("json") == key {
			return value, true
		}
	}
	return reflect.Value{}, false
}

// isLeaf reports whether a type is decoded as a whole.
func isLeaf(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.UnmarshalerFrom]())
}

// wireFields returns the names under which findings has the fields of a wire format, without the ID.
func wireFields(wire reflect.Type, prefix string) []string {
	var names []string
	for field := range wire.Fields() {
		name := prefix + snakeCase(field.Tag.Get("json"))
		if name == "id" {
			continue // a job without an ID is malformed as a whole
		}
		names = append(names, name)
		fieldType := field.Type
		if fieldType.Kind() == reflect.Slice {
			fieldType = fieldType.Elem()
		}
		if fieldType.Kind() == reflect.Struct && !isLeaf(fieldType) {
			names = append(names, wireFields(fieldType, name+"_")...)
		}
	}
	return names
}

// snakeCase converts a JSON key, such as pointInTimeUTCSeconds to point_in_time_utc_seconds.
func snakeCase(key string) string {
	var snake strings.Builder
	runes := []rune(key)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			snake.WriteByte('_')
		}
		snake.WriteRune(unicode.ToLower(r))
	}
	return snake.String()
}
