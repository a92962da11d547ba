package deploy

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/internal/testutil"
)

// TestChartReadme_ListsAllValues generates the README of the chart from the comments in values.yaml. Each value has a
// comment, or a parent with one.
func TestChartReadme_ListsAllValues(t *testing.T) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(testutil.ReadFile(t, chart+"/values.yaml")), &document); err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	valueRows(t, &rows, "", "", document.Content[0])
	text := testutil.ReadFile(t, chart+"/README.md.tmpl")
	testutil.EqualGolden(t, chart+"/README.md", strings.Replace(text, "{{VALUES}}\n", rows.String(), 1))
}

// valueRows writes a row for each value in a mapping. Values of a nested mapping have rows of their own, unless it is
// written on one line. A value without a comment has the description of its parent.
func valueRows(t *testing.T, rows *strings.Builder, prefix, inherited string, mapping *yaml.Node) {
	t.Helper()
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		description := cmp.Or(describe(key.HeadComment), inherited)
		if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 && len(value.Content) > 0 {
			valueRows(t, rows, name+".", description, value)
			continue
		}
		if description == "" {
			t.Errorf("values.yaml: %s has no comment", name)
		}
		_, _ = fmt.Fprintf(rows, "| `%s` | `%s` | %s |\n", name, inline(t, value), description)
	}
}

// describe returns a comment as one line, up to an example.
func describe(comment string) string {
	var words []string
	for line := range strings.Lines(comment) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "#")
		if strings.HasPrefix(line, "   ") {
			break // an example
		}
		words = append(words, strings.TrimSpace(line))
	}
	text := strings.TrimSpace(strings.Join(words, " "))
	if example, ok := strings.CutSuffix(text, ":"); ok {
		return example + "."
	}
	return text
}

// inline returns a value as YAML on one line.
func inline(t *testing.T, value *yaml.Node) string {
	t.Helper()
	if value.Kind == yaml.ScalarNode && value.Style&yaml.DoubleQuotedStyle != 0 {
		return `"` + value.Value + `"`
	}
	plain := *value
	plain.Style = yaml.FlowStyle
	plain.HeadComment, plain.LineComment, plain.FootComment = "", "", ""
	text, err := yaml.Dump(&plain)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

// TestChart_ContainsTheLicense compares the copy in the chart with the project's license.
func TestChart_ContainsTheLicense(t *testing.T) {
	license, err := os.ReadFile("../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	testutil.EqualGolden(t, chart+"/LICENSE", string(license))
}
