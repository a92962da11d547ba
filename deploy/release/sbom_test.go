package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// expectBOM checks a bill of materials against the requirements of CycloneDX 1.6 and against the binary.
func expectBOM(t *testing.T, text, binary []byte) {
	t.Helper()
	var document bom
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		t.Fatal(err)
	}
	serialNumber := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if document.Format != "CycloneDX" || document.SpecVersion != "1.6" || document.Version != 1 ||
		!serialNumber.MatchString(document.SerialNumber) {
		t.Errorf("format %q %q, version %d, serial number %q",
			document.Format, document.SpecVersion, document.Version, document.SerialNumber)
	}
	if document.Metadata.Timestamp != "2026-01-02T03:04:05Z" {
		t.Errorf("dated %s", document.Metadata.Timestamp)
	}
	sum := sha256.Sum256(binary)
	if begin := fmt.Sprintf("urn:uuid:%x-", sum[:4]); !strings.HasPrefix(document.SerialNumber, begin) {
		t.Errorf("serial number %s does not depend on the binary: want %s", document.SerialNumber, begin)
	}
	exporter := document.Metadata.Component
	if exporter.Type != "application" || exporter.PURL != "pkg:golang/atlas-restore-exporter@"+version ||
		len(exporter.Hashes) != 1 || exporter.Hashes[0] != (hash{"SHA-256", hex.EncodeToString(sum[:])}) {
		t.Errorf("the component is %+v", exporter)
	}
	expectComponents(t, document, binary)
}

// expectComponents checks that the components are the modules of the binary and the standard library.
func expectComponents(t *testing.T, document bom, binary []byte) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"pkg:golang/stdlib@" + strings.TrimPrefix(info.GoVersion, "go"): true}
	for _, module := range info.Deps {
		want["pkg:golang/"+strings.ToLower(module.Path)+"@"+module.Version] = true
	}
	sha256Hex := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for _, c := range document.Components {
		if c.Type != "library" || c.Name == "" || c.Version == "" || !want[c.PURL] || c.Ref != c.PURL {
			t.Errorf("component %+v", c)
		}
		delete(want, c.PURL) // once only
		if c.Name != "stdlib" && (len(c.Hashes) != 1 || !sha256Hex.MatchString(c.Hashes[0].Content)) {
			t.Errorf("%s has hashes %v", c.Name, c.Hashes)
		}
	}
	if len(want) > 0 {
		t.Errorf("%v are missing", want)
	}
}

func TestModuleHash_IsTheChecksumOfGoSum(t *testing.T) {
	const (
		sum  = "h1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
		want = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	)
	if got, err := moduleHash(sum); got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{"h2:AAEC", "h1:!", ""} {
		if got, err := moduleHash(bad); err == nil {
			t.Errorf("%q gives %s", bad, got)
		}
	}
}
