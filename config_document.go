package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// This file knows YAML, and nothing of what the settings mean: it decodes strictly, expands ${NAME}, and says of every
// problem in which line and at which path it is.

// problem is what is wrong in one place of a configuration file. It never quotes values: they may be secrets.
type problem struct {
	line int
	path string
	text string
}

// problems is everything that is wrong in a configuration file, a line each.
type problems struct {
	file string
	list []problem
}

func (p *problems) Error() string {
	lines := make([]string, len(p.list))
	for i, problem := range p.list {
		lines[i] = p.file
		if problem.line > 0 {
			lines[i] += fmt.Sprintf(":%d", problem.line)
		}
		if problem.path != "" {
			lines[i] += ": " + problem.path
		}
		lines[i] += ": " + problem.text
	}
	return strings.Join(lines, "\n")
}

// document is a YAML document and where everything in it stands.
type document struct {
	found  problems
	lines  map[string]int      // of each path
	keys   map[position]string // path of the key that stands somewhere
	values map[position]string // path of the value that stands somewhere
}

type position struct{ line, column int }

// report notes a problem at a path, or at the nearest thing above it that is there.
func (d *document) report(path, format string, args ...any) {
	at := path
	for d.lines[at] == 0 && at != "" {
		at = at[:max(strings.LastIndexAny(at, ".["), 0)]
	}
	d.found.list = append(d.found.list, problem{d.lines[at], path, fmt.Sprintf(format, args...)})
}

// err returns the problems in the order of their lines, or nil.
func (d *document) err() error {
	if len(d.found.list) == 0 {
		return nil
	}
	slices.SortStableFunc(d.found.list, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	return &d.found
}

// decode decodes the YAML text of a file into a struct. Problems are in the document that it returns.
func decode(file string, text []byte, into any) *document {
	d := &document{
		found: problems{file: file},
		lines: map[string]int{}, keys: map[position]string{}, values: map[position]string{},
	}
	var root yaml.Node
	if err := yaml.Load(text, &root); err != nil {
		d.reportYAML(err, into)
		return d
	}
	d.walk("", root.Content[0])
	if len(d.found.list) > 0 {
		return d
	}
	if err := root.Load(into, yaml.WithKnownFields()); err != nil {
		d.reportYAML(err, into)
	}
	return d
}

// walk notes where everything stands, and expands ${NAME} in string values.
func (d *document) walk(path string, node *yaml.Node) {
	if d.lines[path] == 0 {
		d.lines[path] = node.Line
	}
	d.values[position{node.Line, node.Column}] = path
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			below := strings.TrimPrefix(path+"."+key.Value, ".")
			d.lines[below] = key.Line
			d.keys[position{key.Line, key.Column}] = below
			d.walk(below, node.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			d.walk(fmt.Sprintf("%s[%d]", path, i), item)
		}
	case yaml.ScalarNode:
		if node.ShortTag() == "!!str" {
			node.Value = d.expand(path, node.Value)
		}
	default: // an alias: what it stands for was walked where it is defined
	}
}

// variable matches ${NAME}, and $${ for whoever means it literally.
var variable = regexp.MustCompile(`\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

func (d *document) expand(path, text string) string {
	return variable.ReplaceAllStringFunc(text, func(match string) string {
		if match == "$${" {
			return "${"
		}
		name := match[2 : len(match)-1]
		value, set := os.LookupEnv(name)
		if !set {
			d.report(path, "environment variable %s is not set", name)
		}
		return value
	})
}

var (
	unknownField = regexp.MustCompile(`^field (.*) not found in type (.*)$`)
	wrongType    = regexp.MustCompile(`(?s)^cannot construct .* into (\S+)( .*)?$`)
	quotedValue  = regexp.MustCompile("(?s)`.*`")
	keyLike      = regexp.MustCompile(`^[A-Za-z_-]{1,40}$`)
	repeatedKey  = regexp.MustCompile(`^mapping key "(.*)" already defined at line (\d+)$`)
)

// noSuchAnchor is said of a value that the library quotes.
const noSuchAnchor = "a value that begins with * refers to an anchor, and there is none; put it in quotes"

// reportYAML puts the library's words into the user's.
func (d *document) reportYAML(err error, into any) {
	var all *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &all):
		for _, one := range all.Errors {
			d.reportYAMLError(one, into)
		}
	case errors.As(err, &one):
		text := "not YAML: " + unquoted(one.Message)
		if strings.HasPrefix(one.Message, "unknown anchor") { // it quotes the value
			text = "not YAML: " + noSuchAnchor
		} else if strings.HasPrefix(one.Message, "cannot construct") { // so does this
			text = "not YAML: a value that begins with !! is not of the type that it names; put it in quotes"
		}
		d.found.list = append(d.found.list, problem{line: one.Mark.Line, text: text})
	default:
		d.found.list = append(d.found.list, problem{text: "not YAML: " + unquoted(err.Error())})
	}
}

// keyPath returns the path of a key, or what it is in where the key might be a secret whose own key was forgotten.
func keyPath(path, key string) string {
	if keyLike.MatchString(key) {
		return path
	}
	return strings.TrimSuffix(strings.TrimSuffix(path, key), ".")
}

// unquoted returns a message of the library without the value that it quotes.
func unquoted(message string) string { return quotedValue.ReplaceAllString(message, "…") }

func (d *document) reportYAMLError(err *yaml.LoadError, into any) {
	at := position{err.Mark.Line, err.Mark.Column}
	p := problem{line: err.Mark.Line, path: d.values[at], text: unquoted(err.Message)}
	if match := unknownField.FindStringSubmatch(err.Message); match != nil {
		p.path = keyPath(d.keys[at], match[1])
		p.text = "unknown key, want one of " + strings.Join(keysOf(reflect.TypeOf(into), match[2]), ", ")
	} else if match := repeatedKey.FindStringSubmatch(err.Message); match != nil {
		p.path = keyPath(cmp.Or(d.keys[at], match[1]), match[1])
		p.text = "is already set in line " + match[2]
	} else if match := wrongType.FindStringSubmatch(err.Message); match != nil {
		p.text = "want " + typeInWords(match[1])
	}
	switch p.text {
	case "yaml: no documents in stream":
		p.text = "the file is empty"
	case "yaml: expected single document, found multiple":
		p.text = "there is more than one YAML document in the file"
	}
	d.found.list = append(d.found.list, p)
}

// keysOf returns the keys of the struct of that name, at or below a type.
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

func typeInWords(goType string) string {
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
