package collector

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"

	"atlas-restore-exporter/internal/gzipcat"
)

// renderer writes samples in a form that is valid in both the Prometheus text format and OpenMetrics, separately for
// each family. Its buffers are reused.
type renderer struct {
	texts    []*familyText // sorted by name of the family
	byFamily map[*Family]*familyText
}

// familyText is the text of the samples of a family.
type familyText struct {
	family     *Family
	labelOrder []int // indexes of the family's labels, sorted by name
	text       bytes.Buffer
}

func newRenderer(families []*Family) *renderer {
	r := &renderer{byFamily: map[*Family]*familyText{}}
	for _, family := range families {
		text := &familyText{family: family, labelOrder: sortedIndexes(family.Labels)}
		r.texts, r.byFamily[family] = append(r.texts, text), text
	}
	slices.SortFunc(r.texts, func(a, b *familyText) int { return strings.Compare(a.family.Name, b.family.Name) })
	return r
}

// sortedIndexes returns the indexes of names in the order of the names.
func sortedIndexes(names []string) []int {
	indexes := make([]int, len(names))
	for i := range indexes {
		indexes[i] = i
	}
	slices.SortFunc(indexes, func(a, b int) int { return strings.Compare(names[a], names[b]) })
	return indexes
}

func (r *renderer) reset() {
	for _, text := range r.texts {
		text.text.Reset()
	}
}

// write appends a sample. It is a sink.
func (r *renderer) write(family *Family, value float64, common, others []string) {
	text := r.byFamily[family]
	line := append(append(text.text.AvailableBuffer(), family.Name...), '{')
	for _, i := range text.labelOrder {
		if i < len(common) {
			line = appendLabel(line, family.Labels[i], common[i])
		} else {
			line = appendLabel(line, family.Labels[i], others[i-len(common)])
		}
	}
	line[len(line)-1] = '}' // replaces the last comma
	text.text.Write(append(appendValue(append(line, ' '), value), '\n'))
}

// compress returns the compressed text of each family.
func (r *renderer) compress() []gzipcat.Block {
	blocks := make([]gzipcat.Block, len(r.texts))
	for i, text := range r.texts {
		if text.text.Len() > 0 {
			blocks[i] = gzipcat.Compress(text.text.Bytes())
		}
	}
	return blocks
}

// header returns the HELP and TYPE lines of a family. OpenMetrics names a counter without the suffix of its samples and
// escapes quotes in HELP.
func header(family *Family, format expfmt.FormatType) []byte {
	name, escape := family.Name, strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	if format == expfmt.TypeOpenMetrics {
		name, escape = strings.TrimSuffix(name, "_total"), labelEscaper
	}
	return []byte("# HELP " + name + " " + escape.Replace(family.Help) + "\n# TYPE " + name + " " + family.Type + "\n")
}

var labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// appendLabel appends a label and a comma.
func appendLabel(line []byte, name, value string) []byte {
	if needsEscape(value) {
		value = labelEscaper.Replace(value)
	}
	line = append(append(line, name...), '=', '"')
	return append(append(line, value...), '"', ',')
}

// needsEscape is much faster than labelEscaper, which changes hardly any value.
func needsEscape(value string) bool {
	for i := range len(value) {
		if c := value[i]; c == '\\' || c == '\n' || c == '"' {
			return true
		}
	}
	return false
}

// appendValue appends a number with a decimal point, as client_golang does in OpenMetrics.
func appendValue(line []byte, value float64) []byte {
	if whole := int64(value); float64(whole) == value && (whole != 0 || !math.Signbit(value)) {
		return append(strconv.AppendInt(line, whole, 10), '.', '0')
	}
	start := len(line)
	line = strconv.AppendFloat(line, value, 'f', -1, 64)
	if bytes.IndexByte(line[start:], '.') < 0 {
		line = append(line, '.', '0')
	}
	return line
}
