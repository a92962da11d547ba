package oracle

import (
	"maps"
	"regexp"
	"testing"
)

// TestRandom checks that histories are reproducible and that their lists are valid.
func TestRandom(t *testing.T) {
	id := regexp.MustCompile(`^[0-9a-f]{24}$`)
	for seed := range uint64(100) {
		_, polls := Random(seed)
		_, again := Random(seed)
		if len(polls) < 1 || len(polls) > 6 {
			t.Fatalf("seed %d: %d polls", seed, len(polls))
		}
		for i, poll := range polls {
			if i > 0 && !poll.Now.After(polls[i-1].Now) {
				t.Errorf("seed %d: poll %d is not after the previous poll", seed, i)
			}
			ids := map[string]bool{}
			for n, raw := range poll.Jobs {
				if string(raw) != string(again[i].Jobs[n]) {
					t.Fatalf("seed %d: the second history differs", seed)
				}
				text := decode(raw).text("id")
				if text != "" && !id.MatchString(text) || ids[text] {
					t.Errorf("seed %d: invalid or duplicate ID %s", seed, text)
				}
				ids[text] = text != ""
			}
		}
	}
}

// TestDeterministic checks that the expected series do not depend on the order of maps.
func TestDeterministic(t *testing.T) {
	for seed := range uint64(100) {
		s, polls := Random(seed)
		want := Expect(s, polls)
		for range 3 {
			if got := Expect(s, polls); !maps.Equal(got, want) {
				t.Fatalf("seed %d: the result differs between two runs", seed)
			}
		}
	}
}
