package config

import (
	"cmp"
	"errors"
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
	unknownField = regexp.MustCompile(`^field (.*) not found in type (.*)$`)
	wrongType    = regexp.MustCompile(`(?s)^cannot construct .* into (\S+)( .*)?$`)
	duplicateKey = regexp.MustCompile(`^mapping key "(.*)" already defined at line (\d+)$`)
	quotedValue  = regexp.MustCompile("(?s)`.*`")
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
		d.add(issue{line: syntaxErr.Mark.Line, text: "invalid YAML: " + syntaxErrorText(syntaxErr.Message)})
	default:
		d.add(issue{text: "invalid YAML: " + withoutValue(err.Error())})
	}
}

func syntaxErrorText(message string) string {
	switch { // these messages quote the value without backticks
	case strings.HasPrefix(message, "unknown anchor"):
		return UndefinedAnchor
	case strings.HasPrefix(message, "cannot construct"):
		return "a value that starts with !! does not have the type that the tag names; quote the value"
	}
	return withoutValue(message)
}

// withoutValue removes quoted values from an error of the YAML library.
func withoutValue(message string) string { return quotedValue.ReplaceAllString(message, "…") }

func (d *document) reportDecodeError(err *yaml.LoadError, into any) {
	at := position{err.Mark.Line, err.Mark.Column}
	found := issue{line: err.Mark.Line, path: d.values[at], text: withoutValue(err.Message)}
	if match := unknownField.FindStringSubmatch(err.Message); match != nil {
		found.path = withoutSecretKey(d.keys[at], match[1])
		found.text = "unknown key, must be one of " + strings.Join(keysOf(reflect.TypeOf(into), match[2]), ", ")
	} else if match := duplicateKey.FindStringSubmatch(err.Message); match != nil {
		found.path = withoutSecretKey(cmp.Or(d.keys[at], match[1]), match[1])
		found.text = "duplicate key, already set in line " + match[2]
	} else if match := wrongType.FindStringSubmatch(err.Message); match != nil {
		found.text = "must be " + yamlTypeOf(match[1])
	}
	switch found.text {
	case "yaml: no documents in stream":
		found.text = "the file is empty"
	case "yaml: expected single document, found multiple":
		found.text = "the file contains more than one YAML document"
	}
	d.add(found)
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
