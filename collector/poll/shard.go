package poll

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"

	"atlas-restore-exporter/atlas"
)

// Shard is the part of all targets that one of several exporters polls: part Index, counted from 0, of Count parts. The
// zero Shard contains every target.
type Shard struct{ Index, Count int }

// contains reports whether a list belongs to the shard. All lists of a cluster belong to the same shard. The
// assignment must not change between versions of the exporter: during an upgrade, old and new shards run at the same
// time.
func (s Shard) contains(list atlas.List) bool {
	if s.Count <= 1 {
		return true
	}
	hash := fnv.New64a()
	_, _ = io.WriteString(hash, list.ProjectID+"/"+list.ClusterName)
	return hash.Sum64()%uint64(s.Count) == uint64(s.Index) //nolint:gosec // neither is negative
}

// String returns the shard as UnmarshalText parses it. An exporter without shards polls shard 0 of 1.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, max(s.Count, 1)) }

// UnmarshalText parses a shard that is written as I/N. I can be a name that ends with the number, such as the name of
// a pod of a StatefulSet.
func (s *Shard) UnmarshalText(text []byte) error {
	index, count, ok := strings.Cut(string(text), "/")
	i, indexErr := strconv.ParseUint(index[strings.LastIndex(index, "-")+1:], 10, 16)
	n, countErr := strconv.ParseUint(count, 10, 16)
	if !ok || indexErr != nil || countErr != nil || i >= n {
		return errors.New("must be I/N, where I is from 0 to N-1")
	}
	s.Index, s.Count = int(i), int(n)
	return nil
}
