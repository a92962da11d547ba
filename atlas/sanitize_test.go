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

func TestSanitizeLabel_DoesNotRetainTheResponseOfATruncatedLabel(t *testing.T) {
	response := strings.Repeat("a", 1000)
	label := sanitizeLabel(response)
	if unsafe.StringData(label) == unsafe.StringData(response) {
		t.Error("the label shares the memory of the response")
	}
}
