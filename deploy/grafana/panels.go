package main

import (
	"strconv"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// Colors. The color of a status is the same in every panel.
const (
	red    = "red"    // failed, too slow
	blue   = "blue"   // pending, in progress
	orange = "orange" // ready
	green  = "green"  // completed
	grey   = "#8e8e8e"
	purple = "purple" // unknown
	yellow = "yellow" // can wait until the morning, no status of a job

	transparent = "transparent" // of a cell without a value
)

// Units.
const (
	count    = "none"
	age      = "dtdurations" // such as "5 hours, 3 minutes"
	daysTime = "dtdhms"      // such as "30 d 05:03:00": weeks and months can't be compared with objectives
	date     = "time:YYYY-MM-DD HH:mm z"
	days     = "suffix: d" // for values that are compared with objectives
	percent  = "percentunit"
	seconds  = "s"
	text     = "string"
	requests = "reqps"
)

// statuses are the statuses of jobs with their colors. The index of a status is its value in state timelines.
var statuses = []struct{ name, text, color string }{
	{},
	{"pending", "Pending", blue},
	{"in_progress", "In progress", blue},
	{"ready", "Ready", orange},
	{"completed", "Completed", green},
	{"failed", "Failed", red},
	{"expired", "Expired", grey},
	{"cancelled", "Cancelled", grey},
	{"unknown", "Unknown", purple},
	{"too_slow", "Too slow", red}, // this and the next one are states of clusters, no statuses of jobs
	{"drill_failed", "Drill failed", yellow},
}

// jobStatuses are the statuses of jobs in the order of their values.
func jobStatuses() []struct{ name, text, color string } { return statuses[1 : len(statuses)-2] }

// statusValue returns the value of a status in state timelines.
func statusValue(name string) int {
	for i, s := range statuses {
		if s.name == name {
			return i
		}
	}
	panic("unknown status " + name)
}

// statusMappings maps the names and the values of statuses to texts and colors.
func statusMappings() []dashboard.ValueMapping {
	options := map[string]dashboard.ValueMappingResult{}
	for i, s := range statuses[1:] {
		options[s.name] = result(s.text, s.color)
		options[strconv.Itoa(i+1)] = result(s.text, s.color)
	}
	return mapping(options)
}

func result(text, color string) dashboard.ValueMappingResult {
	r := dashboard.ValueMappingResult{Text: &text}
	if color != "" {
		r.Color = &color
	}
	return r
}

func mapping(options map[string]dashboard.ValueMappingResult) []dashboard.ValueMapping {
	return []dashboard.ValueMapping{{
		ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options},
	}}
}

// between maps the numbers from a minimum to a maximum to a text.
func between(from, to float64, r dashboard.ValueMappingResult) dashboard.ValueMapping {
	return dashboard.ValueMapping{RangeMap: &dashboard.RangeMap{
		Type: dashboard.MappingTypeRangeToText, Options: dashboard.DashboardRangeMapOptions{From: &from, To: &to, Result: r},
	}}
}

// ranked maps the values of ordered to a text.
func ranked(rank int, r dashboard.ValueMappingResult) dashboard.ValueMapping {
	const most = 0.995
	return between(float64(rank), float64(rank)+most, r)
}

// anyValue maps every text that is not empty to a text.
func anyValue(text string) []dashboard.ValueMapping {
	return []dashboard.ValueMapping{{RegexMap: &dashboard.RegexMap{
		Type: dashboard.MappingTypeRegexToText, Options: dashboard.DashboardRegexMapOptions{Pattern: ".+", Result: result(text, "")},
	}}}
}

// step is a threshold: the color applies from the value on.
type step struct {
	from  float64
	color string
}

// thresholds returns thresholds. The color below the first step also applies to panels without data.
func thresholds(below string, steps ...step) *dashboard.ThresholdsConfig {
	t := &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: []dashboard.Threshold{{Color: below}}}
	for _, s := range steps {
		t.Steps = append(t.Steps, dashboard.Threshold{Value: &s.from, Color: s.color})
	}
	return t
}

var (
	datasource     = common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
	colorThreshold = &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdThresholds}
)

// query is a query of a panel with the legend of its series.
type query struct{ expr, legend string }

// tilesHeight is the height of the first panels, which have two rows on a phone.
const tilesHeight = 5

// frame contains the properties that panels of every type have. The grid is 24 units wide.
type frame struct {
	title, description, unit string
	width, height            uint32
	noValue                  string
	queries                  []query
}

// built is a finished panel.
type built dashboard.Panel

// Build implements cog.Builder.
func (b built) Build() (dashboard.Panel, error) { return dashboard.Panel(b), nil }

// finish adds the properties of f to a panel.
func finish(builder cog.Builder[dashboard.Panel], f frame, change func(*dashboard.Panel)) cog.Builder[dashboard.Panel] {
	panel, err := builder.Build()
	if err != nil {
		panic(err)
	}
	panel.Title, panel.Description, panel.Datasource = &f.title, &f.description, &datasource
	panel.GridPos = &dashboard.GridPos{W: f.width, H: f.height}
	if panel.FieldConfig == nil {
		panel.FieldConfig = dashboard.NewFieldConfigSource()
	}
	panel.FieldConfig.Defaults.Unit = &f.unit
	if f.noValue != "" {
		panel.FieldConfig.Defaults.NoValue = &f.noValue
	}
	for i, q := range f.queries {
		panel.Targets = append(panel.Targets, newTarget(panel.Type, string(rune('A'+i)), q))
	}
	change(&panel)
	return built(panel)
}

func newTarget(panelType, refID string, q query) variants.Dataquery {
	b := prometheus.NewDataqueryBuilder().RefId(refID).Datasource(datasource).Expr(q.expr)
	switch panelType {
	case "table":
		b.Instant().Format(prometheus.PromQueryFormatTable)
	case "stat":
		b.Instant().LegendFormat(q.legend)
	default:
		b.Range().LegendFormat(q.legend)
	}
	target, err := b.Build()
	if err != nil {
		panic(err)
	}
	return target
}

// statPanel shows a value of each query on a colored background.
func statPanel(
	f frame, limits *dashboard.ThresholdsConfig, mappings []dashboard.ValueMapping, change ...func(*dashboard.Panel),
) cog.Builder[dashboard.Panel] {
	b := stat.NewPanelBuilder().
		ColorMode(common.BigValueColorModeBackgroundSolid).
		GraphMode(common.BigValueGraphModeNone).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
	if len(f.queries) > 1 {
		const titleSize, valueSize = 12, 26 // for a phone
		b.TextMode(common.BigValueTextModeValueAndName).
			Text(common.NewVizTextDisplayOptionsBuilder().TitleSize(titleSize).ValueSize(valueSize))
	}
	return finish(b, f, func(p *dashboard.Panel) {
		defaults := &p.FieldConfig.Defaults
		defaults.Color, defaults.Thresholds, defaults.Mappings = colorThreshold, limits, mappings
		for _, c := range change {
			c(p)
		}
	})
}

// linePanel shows series over time. Its legend is a table with the last values, which scrolls.
func linePanel(f frame, change ...func(*timeseries.PanelBuilder)) cog.Builder[dashboard.Panel] {
	b := timeseries.NewPanelBuilder().
		LineWidth(1).FillOpacity(10).ShowPoints(common.VisibilityModeNever).Min(0).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeTable).
			Placement(common.LegendPlacementRight).ShowLegend(true).Calcs([]string{"lastNotNull"})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	for _, c := range change {
		c(b)
	}
	return finish(b, f, func(*dashboard.Panel) {})
}

// smallLegend replaces the legend by a list below the graph, for a few series.
func smallLegend(b *timeseries.PanelBuilder) {
	b.Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).
		Placement(common.LegendPlacementBottom).ShowLegend(true))
}

// points shows points without lines.
func points(b *timeseries.PanelBuilder) {
	b.DrawStyle(common.GraphDrawStylePoints).ShowPoints(common.VisibilityModeAlways).PointSize(8)
}

// bars shows stacked bars.
func bars(b *timeseries.PanelBuilder) {
	b.DrawStyle(common.GraphDrawStyleBars).FillOpacity(80).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
}

// colored sets the color of the series of a name.
func colored(name, color string) func(*timeseries.PanelBuilder) {
	return func(b *timeseries.PanelBuilder) {
		b.OverrideByName(name, []dashboard.DynamicConfigValue{{
			Id: "color", Value: map[string]string{"mode": "fixed", "fixedColor": color},
		}})
	}
}

// shades colors the other series in shades of a color. The default palette contains red, which would look like a failure.
func shades(color string) func(*timeseries.PanelBuilder) {
	return func(b *timeseries.PanelBuilder) {
		b.ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdShades).FixedColor(color))
	}
}

var (
	greens = shades(green)
	blues  = shades(blue)
)

// line makes the series of a name a dashed line without an area: a limit.
func line(name string) func(*timeseries.PanelBuilder) {
	return func(b *timeseries.PanelBuilder) {
		b.OverrideByName(name, []property{
			{Id: "custom.fillOpacity", Value: 0},
			{Id: "custom.lineStyle", Value: map[string]any{"fill": "dash", "dash": []int{10, 10}}},
		})
	}
}

// timelinePanel shows the status of each series over time, 20 series per page.
func timelinePanel(f frame) cog.Builder[dashboard.Panel] {
	const perPage = 20
	b := statetimeline.NewPanelBuilder().
		MergeValues(true).ShowValue(common.VisibilityModeNever).AlignValue(common.TimelineValueAlignmentLeft).
		RowHeight(0.8).FillOpacity(80).PerPage(perPage).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).
			Placement(common.LegendPlacementBottom).ShowLegend(true))
	return finish(b, f, func(p *dashboard.Panel) {
		p.FieldConfig.Defaults.Mappings = statusMappings()
		p.FieldConfig.Defaults.Color = colorThreshold
		p.FieldConfig.Defaults.Thresholds = thresholds(grey)
	})
}
