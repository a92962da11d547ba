package config

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// UndefinedAnchor is the text for a value that starts with an asterisk. The error of the YAML library would quote the
// value, which may be a secret.
const UndefinedAnchor = "a value that starts with * is a reference to an anchor that isn't defined; quote the value"

// These patterns match errors of the YAML library.
var (
	unknownField    = regexp.MustCompile(`^field (.*) not found in type (.*)$`)
	wrongType       = regexp.MustCompile(`(?s)^cannot construct (\S+).* into (\S+)( .*)?$`)
	duplicateKey    = regexp.MustCompile(`^mapping key "(.*)" already defined at line (\d+)$`)
	keyWithoutSpace = regexp.MustCompile(`^[a-z_]+:\S`)
	quotedValue     = regexp.MustCompile("(?s)`.*`")
)

// plausibleKey matches text that is likely a misspelled key and not a secret whose key is missing.
var plausibleKey = regexp.MustCompile(`^[A-Za-z_-]{1,40}$`)

// reportYAML reports an error of the YAML library. The type of into determines which keys are valid.
func (d *document) reportYAML(err error, into any) {
	var decodeErrs *yaml.LoadErrors
	var syntaxErr *yaml.LoadError
	switch {
	case errors.As(err, &decodeErrs):
		for _, decodeErr := range decodeErrs.Errors {
			d.reportDecodeError(decodeErr, into)
		}
	case errors.As(err, &syntaxErr):
		d.add(d.syntaxError(syntaxErr))
	default:
		d.add(issue{text: "invalid YAML: " + withoutValue(err.Error())})
	}
}

// withoutValue removes quoted values from an error of the YAML library.
func withoutValue(message string) string { return quotedValue.ReplaceAllString(message, "…") }

func (d *document) reportDecodeError(err *yaml.LoadError, into any) {
	at := position{err.Mark.Line, err.Mark.Column}
	found := issue{line: err.Mark.Line, path: d.values[at], text: withoutValue(err.Message)}
	if match := unknownField.FindStringSubmatch(err.Message); match != nil {
		found.path = withoutSecretKey(d.keys[at], match[1])
		keys := keysOf(reflect.TypeOf(into), match[2])
		found.text = "unknown key"
		if plausibleKey.MatchString(match[1]) {
			found.text += didYouMean(match[1], keys)
		}
		found.text += " (allowed keys: " + strings.Join(keys, ", ") + ")"
	} else if match := duplicateKey.FindStringSubmatch(err.Message); match != nil {
		found.path = withoutSecretKey(cmp.Or(d.keys[at], match[1]), match[1])
		found.text = "duplicate key, already set in line " + match[2]
	} else if match := wrongType.FindStringSubmatch(err.Message); match != nil {
		found.text = d.wrongTypeText(found.path, match[1], yamlTypeOf(match[2]))
	}
	switch found.text {
	case notADuration:
		found.text = d.durationText(found.path)
	case notADate:
		found.text = d.subject(found.path) + " " + notADate
	case "yaml: no documents in stream":
		found.text = "the file is empty"
	case "yaml: expected single document, found multiple":
		found.text = "the file contains more than one YAML document; remove the lines with ---"
	}
	d.add(found)
}

// wrongTypeText describes a value with a YAML tag such as !!str, in place of a value of another type.
func (d *document) wrongTypeText(path, tag, want string) string {
	subject := d.subject(path)
	quoted := subject[0] == '"'
	switch key := lastKey(path); {
	case want == "a list" && quoted:
		return fmt.Sprintf("%s is not a list; write %s: [%s]", subject, key, d.scalars[path].value)
	case want == "a mapping" && key == "discovery" && tag == "!!bool":
		return subject + " is not a mapping; write discovery: {} to discover all clusters, or remove the key"
	case want == "a mapping" && keyWithoutSpace.MatchString(d.scalars[path].value):
		return "a space after a colon is missing; write key: value"
	case quoted:
		return subject + " is not " + want
	}
	types := map[string]string{"!!map": "a mapping", "!!seq": "a list"}
	return cmp.Or(types[tag], "the value") + " is not allowed here, must be " + want
}

// withoutSecretKey returns the path of an invalid key. If the key may be a secret, it returns the path of the parent.
func withoutSecretKey(path, key string) string {
	if plausibleKey.MatchString(key) {
		return path
	}
	return strings.TrimSuffix(strings.TrimSuffix(path, key), ".")
}

// keysOf returns the keys of the struct type with the given name, which is t or a type that t contains.
func keysOf(t reflect.Type, name string) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return keysOf(t.Elem(), name)
	case reflect.Struct:
	default:
		return nil
	}
	var keys []string
	for field := range t.Fields() {
		if found := keysOf(field.Type, name); found != nil {
			return found
		}
		if key := field.Tag.Get("yaml"); key == ",inline" {
			keys = append(keys, keysOf(field.Type, field.Type.String())...)
		} else if key != "" {
			keys = append(keys, key)
		}
	}
	if t.String() != name {
		return nil
	}
	return keys
}

// yamlTypeOf returns the YAML type that a Go type is decoded from.
func yamlTypeOf(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case strings.Contains(goType, "int"):
		return "a whole number"
	case strings.Contains(goType, "float"):
		return "a number"
	case goType == "string", goType == "atlas.Secret":
		return "a string"
	}
	return "a mapping"
}
