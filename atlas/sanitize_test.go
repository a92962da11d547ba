package atlas

import (
	"strings"
	"testing"
	"unsafe"
)

func TestSanitizeLabel_ReplacesLinksAndOddCharactersAndTruncates(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"prod-eu", "prod-eu"},
		{"Größe (a),b:c&d@e+f'g.h_i j", "Größe (a),b:c&d@e+f'g.h_i j"},
		{"https://user:pass@host/x?y=z", "link"},
		{
			"see https://user:pass@host/x?y=z or " + strings.Repeat("x", 115) + " ftp://x",
			"see link or " + strings.Repeat("x", 115) + " ",
		},
		{"a\nb\x00\"\\{}", "a_b_____"},
		{strings.Repeat("ä", 100), strings.Repeat("ä", 64)},
	} {
		if got := sanitizeLabel(test.in); got != test.want {
			t.Errorf("sanitizeLabel(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func TestSanitizeLabel_ReplacesLinksWithoutAScheme(t *testing.T) {
	for _, linked := range []string{
		"restore-6a7948.mongodb.net:27017/LINKSECRET5/restore.tar.gz",
		"restore.mongodb.net/LINKSECRET",
		"restore.mongodb.net/LINKSECRET?sig=1",
		"//host/LINKSECRET",
		"/LINKSECRET/restore.tar.gz",
		"/LINKSECRET",
		"host/a/LINKSECRET",
		"host/LINKSECRET?x",
		"user:LINKSECRET@host/x",
		`https:\/\/host\/LINKSECRET`,
		`\\host\LINKSECRET`,
		"https%3A%2F%2Fhost%2FLINKSECRET",
		"https%253A%252F%252Fhost%252FLINKSECRET",
		"https:&#x2F;&#47;host&#x2f;LINKSECRET",
		"https&colon;&sol;&sol;host&sol;LINKSECRET",
		`https\u003a\u002f\u002fhost\u002fLINKSECRET`,
		"https:／／host／LINKSECRET",
		"?sig=LINKSECRET",
		"aHR0cHM6Ly9yZXN0b3JlLm1vbmdvZGIubmV0L0xJTktTRUNSRVQ",
		"68747470733a2f2f726573746f72652e6d6f6e676f64622e6e65742f4c494e4b534543524554",
		"restore.mongodb.net/x\nLINKSECRET",
		"https://host/x\nLINKSECRET",
	} {
		for _, text := range []string{linked, "see " + linked, strings.Repeat("x ", 500) + linked} {
			label := sanitizeLabel(text)
			if strings.Contains(label, "SECRET") || label == text || len(text) < 200 && !strings.Contains(label, "link") {
				t.Errorf("%q became %q", text, label)
			}
		}
	}
}

func TestSanitizeLabel_KeepsEveryNameThatAtlasAllows(t *testing.T) {
	for _, name := range []string{
		"6a794733c0eb9e7a17740663", "68747470c0eb9e7a17740663", "R&D (EU): a.b, c@d + e's_f-g", "restore.tar.gz",
		"a.b.c:27017", "v1.2.gz &co", "Größe",
	} {
		if label := sanitizeLabel(name); label != name {
			t.Errorf("%q became %q", name, label)
		}
	}
	for name, want := range map[string]string{"team/payments": "team_payments", "80% = a; b": "80_ _ a_ b"} {
		if label := sanitizeLabel(name); label != want {
			t.Errorf("%q became %q, want %q", name, label, want)
		}
	}
}

func TestSanitizeLabel_DoesNotRetainTheResponseOfATruncatedLabel(t *testing.T) {
	response := strings.Repeat("a", 1000)
	label := sanitizeLabel(response)
	if unsafe.StringData(label) == unsafe.StringData(response) {
		t.Error("the label shares the memory of the response")
	}
}
