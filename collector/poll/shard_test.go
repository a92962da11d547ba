package poll

import (
	"fmt"
	"slices"
	"testing"

	"atlas-restore-exporter/atlas"
)

func TestShard_DividesClustersEvenlyWithAllTheirLists(t *testing.T) {
	const clusters, count = 2000, 7
	sizes := make([]int, count)
	for i := range clusters {
		list := atlas.List{
			ProjectID: fmt.Sprintf("%024x", i/10), ClusterName: fmt.Sprintf("cluster-%d", i%10), BackupType: atlas.Dedicated,
		}
		other := list
		other.BackupType = atlas.Collection
		owners := 0
		for index := range count {
			shard := Shard{index, count}
			if shard.contains(list) {
				owners++
				sizes[index]++
			}
			if shard.contains(list) != shard.contains(other) {
				t.Fatalf("two lists of one cluster are in different shards: %v", list)
			}
		}
		if owners != 1 || !(Shard{}).contains(list) || !(Shard{0, 1}).contains(list) {
			t.Fatalf("%v belongs to %d shards", list, owners)
		}
	}
	if slices.Min(sizes) < clusters/count*8/10 || slices.Max(sizes) > clusters/count*12/10 {
		t.Errorf("sizes of the shards: %v", sizes)
	}
}

func TestShard_AssignsClustersAsOtherVersionsDo(t *testing.T) {
	if !(Shard{1, 3}).contains(prod) {
		t.Error("prod is in another shard than before")
	}
}

func TestShard_IsParsedFromIndexAndCount(t *testing.T) {
	for text, want := range map[string]Shard{
		"0/1":                          {Index: 0, Count: 1},
		"2/3":                          {Index: 2, Count: 3},
		"atlas-restore-exporter-11/12": {Index: 11, Count: 12},
	} {
		var shard Shard
		if err := shard.UnmarshalText([]byte(text)); err != nil || shard != want {
			t.Errorf("%q: %v, %v; want %v", text, shard, err, want)
		}
	}
}

func TestShard_RejectsInvalidTextAndKeepsItsValue(t *testing.T) {
	for _, text := range []string{"", "3/3", "1", "-1/3/", "x/3", "1/x", "0/0", "1/70000"} {
		var shard Shard
		if err := shard.UnmarshalText([]byte(text)); err == nil || shard != (Shard{}) {
			t.Errorf("%q: %v, %v; want an error", text, shard, err)
		}
	}
}

func TestShard_IsPrintedAsItIsParsed(t *testing.T) {
	for want, shard := range map[string]Shard{"0/1": {}, "2/3": {Index: 2, Count: 3}} {
		if got := shard.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
