package config

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// document is a decoded YAML file. It maps paths and positions to each other, so that an issue can be reported with
// both.
type document struct {
	literal bool // variables in strings are not expanded
	invalid InvalidError
	lines   map[string]int          // line of each path
	keys    map[position]string     // path of the key at a position
	values  map[position]string     // path of the value at a position
	empty   []string                // paths without a value
	scalars map[string]settingValue // value of each path that is not a mapping or list
}

// settingValue is the value of a setting, with environment variables replaced.
type settingValue struct {
	value        string
	fromVariable bool // contains the value of an environment variable
}

type position struct{ line, column int }

// decode decodes the YAML text of a configuration file into a struct, strictly. Issues are reported to the returned
// document.
func decode(file string, text []byte, into any) *document {
	d := newDocument(file)
	d.decode(text, into)
	return d
}

func newDocument(file string) *document {
	return &document{
		invalid: InvalidError{file: file},
		lines:   map[string]int{}, keys: map[position]string{}, values: map[position]string{},
		scalars: map[string]settingValue{},
	}
}

func (d *document) decode(text []byte, into any) {
	d.invalid.text = text
	var root yaml.Node
	if err := yaml.Load(text, &root); err != nil {
		d.reportYAML(err, into)
		return
	}
	d.walk("", root.Content[0])
	if d.err() != nil {
		return
	}
	if err := root.Load(into, yaml.WithKnownFields()); err != nil {
		d.reportYAML(err, into)
		return
	}
	for _, path := range d.empty { // of known keys only, because an unknown key may be a secret
		d.add(issue{d.lines[path], withoutSecretKey(path, lastKey(path)), "is empty; " + emptyHint(path)})
	}
}

// report adds an issue at a path. If the file doesn't contain the path, the line is that of the closest parent.
func (d *document) report(path, format string, args ...any) {
	parent := path
	for d.lines[parent] == 0 && parent != "" {
		parent = parent[:max(strings.LastIndexAny(parent, ".["), 0)]
	}
	d.add(issue{d.lines[parent], path, fmt.Sprintf(format, args...)})
}

func (d *document) add(i issue) { d.invalid.issues = append(d.invalid.issues, i) }

// err returns all issues as an error, or nil if there are none.
func (d *document) err() error {
	if len(d.invalid.issues) == 0 {
		return nil
	}
	return &d.invalid
}

// walk records the position of a node and of all nodes below it, and expands variables in strings.
func (d *document) walk(path string, node *yaml.Node) {
	if d.lines[path] == 0 {
		d.lines[path] = node.Line
	}
	d.values[position{node.Line, node.Column}] = path
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			if isClientSecret(key.Value) {
				d.report(path, "a key looks like a client secret, which only client_secret or a file may contain")
				continue
			}
			child := strings.TrimPrefix(path+"."+key.Value, ".")
			d.lines[child] = key.Line
			d.keys[position{key.Line, key.Column}] = child
			d.walk(child, node.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			d.walk(fmt.Sprintf("%s[%d]", path, i), item)
		}
	case yaml.ScalarNode:
		written := node.Value
		switch node.ShortTag() {
		case "!!null":
			if !d.literal { // otherwise, it is not a configuration
				d.empty = append(d.empty, path)
			}
		case "!!str":
			if !d.literal {
				node.Value = d.expand(path, written)
			}
			if isClientSecret(node.Value) && !slices.Contains([]string{"client_secret", "private_key"}, lastKey(path)) {
				d.report(path, "looks like a client secret, which only client_secret or a file may contain")
			}
		}
		d.scalars[path] = settingValue{node.Value, node.Value != written}
	default: // the target of an alias is walked where it is defined
	}
}

// lastKey returns the last key of a path.
func lastKey(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// isClientSecret reports whether a text looks like the secret of a service account, which must not be in a setting that
// is exported or logged.
func isClientSecret(text string) bool { return strings.HasPrefix(text, "mdb_sa_sk_") }

// emptyHint returns the action for a key without a value.
func emptyHint(path string) string {
	switch key := lastKey(path); {
	case key == "discovery" && strings.HasPrefix(path, "projects["):
		return "write discovery: {} to discover all clusters, or remove the key"
	case key == "allowed_targets", key == "drill_targets":
		return "write " + key + ": [] for an empty list, or remove the key"
	}
	return "set a value, or remove the key"
}

var (
	// variable matches ${NAME}, and $${, which is the escaped form of ${.
	variable = regexp.MustCompile(`\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

	// bareVariable matches a value that is an environment variable without braces.
	bareVariable = regexp.MustCompile(`^\$[A-Z][A-Z0-9_]*$`)
)

// expand replaces variables with their values in the environment.
func (d *document) expand(path, text string) string {
	if bareVariable.MatchString(text) {
		d.report(path, "%s is not replaced by an environment variable; write ${%s}", text, text[1:])
	} else if strings.Contains(variable.ReplaceAllString(text, ""), "${") {
		d.report(path, "contains ${ without a name and a closing brace; write ${NAME}, or $${ for a literal ${")
	}
	return variable.ReplaceAllStringFunc(text, func(match string) string {
		if match == "$${" {
			return "${"
		}
		name := match[2 : len(match)-1]
		value, ok := os.LookupEnv(name)
		if !ok {
			d.report(path, "environment variable %s is not set", name)
		} else if value == "" {
			d.report(path, "environment variable %s is empty", name)
		}
		return value
	})
}
