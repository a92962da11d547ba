package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// The parts of a CycloneDX 1.6 document (https://cyclonedx.org/docs/1.6/json) that are used here.
type (
	bom struct {
		Schema       string      `json:"$schema"`
		Format       string      `json:"bomFormat"`
		SpecVersion  string      `json:"specVersion"`
		SerialNumber string      `json:"serialNumber"`
		Version      int         `json:"version"`
		Metadata     metadata    `json:"metadata"`
		Components   []component `json:"components"`
	}
	metadata struct {
		Timestamp  string      `json:"timestamp"`
		Lifecycles []lifecycle `json:"lifecycles"`
		Tools      tools       `json:"tools"`
		Component  component   `json:"component"`
	}
	lifecycle struct {
		Phase string `json:"phase"`
	}
	tools struct {
		Components []component `json:"components"`
	}
	component struct {
		Ref        string     `json:"bom-ref,omitempty"`
		Type       string     `json:"type"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Licenses   []license  `json:"licenses,omitempty"`
		PURL       string     `json:"purl,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	license struct {
		License licenseID `json:"license"`
	}
	licenseID struct {
		ID string `json:"id"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

// billOfMaterials returns the bill of materials of a binary, derived from its build information: the linked modules
// with the checksums of go.sum, and the standard library.
func billOfMaterials(info *debug.BuildInfo, binary []byte, version string, at time.Time) ([]byte, error) {
	sum := sha256.Sum256(binary)
	exporter := newComponent("application", info.Main.Path, version)
	exporter.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum[:])}}
	exporter.Licenses = []license{{licenseID{"Apache-2.0"}}}
	for _, setting := range info.Settings {
		exporter.Properties = append(exporter.Properties, property{"build:" + setting.Key, setting.Value})
	}
	document := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		SerialNumber: serialNumber(sum),
		Metadata: metadata{
			Timestamp: at.Format(time.RFC3339), Lifecycles: []lifecycle{{"build"}}, Component: exporter,
			Tools: tools{[]component{{Type: "application", Name: info.Main.Path + "/deploy/release", Version: version}}},
		},
		Components: []component{newComponent("library", "stdlib", strings.TrimPrefix(info.GoVersion, "go"))},
	}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		library := newComponent("library", module.Path, module.Version)
		if module.Sum != "" {
			content, err := moduleHash(module.Sum)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", module.Path, err)
			}
			library.Hashes = []hash{{"SHA-256", content}}
		}
		document.Components = append(document.Components, library)
	}
	text, err := json.MarshalIndent(document, "", "  ")
	return append(text, '\n'), err
}

func newComponent(kind, module, version string) component {
	url := packageURL(module, version)
	return component{Ref: url, Type: kind, Name: module, Version: version, PURL: url}
}

// packageURL returns the package URL of a module, which is always in lowercase.
func packageURL(module, version string) string {
	return "pkg:golang/" + strings.ToLower(module) + "@" + strings.ReplaceAll(version, "+", "%2B")
}

// moduleHash converts a checksum of go.sum to the format of CycloneDX. The checksum is the SHA-256 of the list of the
// module's files and their hashes (dirhash Hash1), not of an archive.
func moduleHash(sum string) (string, error) {
	encoded, ok := strings.CutPrefix(sum, "h1:")
	if !ok {
		return "", fmt.Errorf("unknown type of checksum %s", sum)
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	return hex.EncodeToString(raw), err
}

// serialNumber returns a UUID of version 8 (RFC 9562) that depends only on the binary.
func serialNumber(sum [sha256.Size]byte) string {
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
