package testutil

import (
	"bytes"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// plantedSecret is the value that PlantSecret inserts.
const plantedSecret = "NEVER-SHOW-THIS-SECRET"

// PlantSecret replaces each SECRET in a YAML text with a secret. It also reports whether the secret is then only where
// secrets belong: in or below the values of the given keys. A secret in a text that isn't YAML counts as in place.
func PlantSecret(text []byte, keys ...string) (planted []byte, inPlace bool) {
	planted = bytes.ReplaceAll(text, []byte("SECRET"), []byte(plantedSecret))
	var root yaml.Node
	return planted, yaml.Load(planted, &root) != nil || !isMisplaced(&root, keys)
}

// isMisplaced reports whether a node contains the secret anywhere except below the given keys.
func isMisplaced(node *yaml.Node, keys []string) bool {
	if node.Kind != yaml.MappingNode {
		return strings.Contains(node.Value+node.Tag+node.Anchor, plantedSecret) ||
			slices.ContainsFunc(node.Content, func(child *yaml.Node) bool { return isMisplaced(child, keys) })
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if isMisplaced(key, keys) || !slices.Contains(keys, key.Value) && isMisplaced(value, keys) {
			return true
		}
	}
	return false
}

// QuotesSecret reports whether a text contains the secret of PlantSecret, or its first characters.
func QuotesSecret(text string) bool { return strings.Contains(text, plantedSecret[:7]) }
