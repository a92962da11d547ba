package main

import (
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

// property is a property of a column.
type property = dashboard.DynamicConfigValue

// column is a column of a table. The name is a label, or valueOf a query. On a phone, the column has its minimum width, and
// its texts wrap. On a wide screen, columns share the remaining width, except those with the property fixed.
type column struct {
	name, title string
	minWidth    int
	properties  []property
}

// wrapped wraps the texts of a column.
func wrapped() property { return property{Id: "custom.wrapText", Value: true} }

// fixed sets the width of a column.
func fixed(width int) property { return property{Id: "custom.width", Value: width} }

// valueOf returns the name of the values of the query at an index, in tables with several queries.
func valueOf(index int) string { return "Value #" + string(rune('A'+index)) }

func unit(u string) property { return property{Id: "unit", Value: u} }

func mapped(mappings []dashboard.ValueMapping) property {
	return property{Id: "mappings", Value: mappings}
}

// alignLeft aligns numbers like texts, because they are mapped to texts.
func alignLeft() property { return property{Id: "custom.align", Value: "left"} }

// background colors a cell.
func background() property {
	return property{Id: "custom.cellOptions", Value: map[string]any{"type": "color-background", "mode": "basic", "wrapText": true}}
}

// colorText colors the text of a cell.
func colorText() property {
	return property{Id: "custom.cellOptions", Value: map[string]any{"type": "color-text", "wrapText": true}}
}

// gauge shows a cell as a bar.
func gauge() property {
	return property{Id: "custom.cellOptions", Value: map[string]string{"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}}
}

func limits(t *dashboard.ThresholdsConfig) property { return property{Id: "thresholds", Value: t} }

// link makes a cell a link.
func link(title, url string, newTab bool) property {
	return property{Id: "links", Value: []map[string]any{{"title": title, "url": url, "targetBlank": newTab}}}
}

// Links of rows, which have the labels of their cluster.
const (
	clusterURL = "/d/atlas-restore-cluster?var-datasource=${datasource}&var-project=${__data.fields.project_id}" +
		"&var-cluster=${__data.fields.cluster_name}&${__url_time_range}"
	wholeURL = "${__value.raw}" // a label that is empty is no link
)

// clusterColumns are the name of a cluster with its project, which is a link, and the labels that the link needs.
func clusterColumns() []column {
	return []column{
		{"where", "Cluster", 100, []property{link("Dashboard of the cluster", clusterURL, false)}},
		hidden("project_id"), hidden("cluster_name"),
	}
}

// linkColumns are the links of a row.
func linkColumns() []column {
	return []column{
		{"status_page", "Status page", 0, []property{
			fixed(86), mapped(anyValue("Open")), link("Status page of the exporter", wholeURL, true),
		}},
		{"atlas_page", "Atlas", 0, []property{
			fixed(48), mapped(anyValue("Open")), link("Backups of the cluster in Atlas", wholeURL, true),
		}},
	}
}

// hidden is a column for links only. Grafana has renamed the property.
func hidden(name string) column {
	return column{name, name, 0, []property{
		{Id: "custom.hidden", Value: true},
		{Id: "custom.hideFrom", Value: map[string]bool{"viz": true, "legend": false, "tooltip": false}},
	}}
}

func jobColumn() column { return column{"job_id", "Job ID", 0, []property{fixed(200)}} }

// orderColumn is the value of a query that sorts the rows, because Grafana sorts a table by one column only.
func orderColumn(index int) column {
	c := hidden(valueOf(index))
	c.title = "Order"
	return c
}

// firstPaged is the smallest height of a table with pages.
const firstPaged = 9

// pages are the options of a table with pages, which show the number of all rows. Grafana has moved the property.
type pages struct {
	*table.Options
	EnablePagination bool `json:"enablePagination"`
}

// onlyRowsOf removes the rows that have no value of a field, because the first query does not return them.
func onlyRowsOf(field string) dashboard.DataTransformerConfig {
	return dashboard.DataTransformerConfig{Id: "filterByValue", Options: map[string]any{
		"type": "include", "match": "all",
		"filters": []map[string]any{{"fieldName": field, "config": map[string]any{"id": "isNotNull", "options": map[string]any{}}}},
	}}
}

// tablePanel shows one row per label set, which all queries share, sorted by the title of a column.
func tablePanel(f frame, sortBy string, descending bool, columns ...column) cog.Builder[dashboard.Panel] {
	transformation := "merge"
	return joinedTable(f, transformation, map[string]any{}, sortBy, descending, columns...)
}

// joinByKey is a transformation that joins rows by the value of a field.
const joinByKey = "joinByField"

func joinOptions(field string) map[string]any {
	return map[string]any{"byField": field, "mode": "outer"}
}

// joinedTable shows one row per value of a field.
func joinedTable(
	f frame, transformation string, options map[string]any, sortBy string, descending bool, columns ...column,
) cog.Builder[dashboard.Panel] {
	b := table.NewPanelBuilder().
		CellHeight(common.TableCellHeightSm).
		Footer(common.NewTableFooterOptionsBuilder().EnablePagination(true))
	names, order, titles := []string{}, map[string]int{}, map[string]string{}
	b.OverrideByRegexp(".*", []property{{Id: "noValue", Value: "–"}})
	for i, c := range columns {
		names, order[c.name], titles[c.name] = append(names, c.name), i, c.title
		if c.name == valueOf(0) { // the name if no other query returns data
			names, order["Value"], titles["Value"] = append(names, "Value"), i, c.title
		}
		properties := c.properties
		if c.minWidth > 0 {
			properties = append([]property{{Id: "custom.minWidth", Value: c.minWidth}, wrapped()}, properties...)
		}
		b.OverrideByName(c.title, properties)
	}
	f.unit = text
	return finish(b, f, func(p *dashboard.Panel) {
		isPaged, tableOptions := f.height >= firstPaged, p.Options.(*table.Options)
		tableOptions.Footer.EnablePagination = &isPaged
		p.Options = pages{tableOptions, isPaged}
		// Grafana has moved the property that wraps texts.
		p.FieldConfig.Defaults.Custom = map[string]any{"cellOptions": map[string]any{"type": "auto", "wrapText": true}}
		p.Transformations = []dashboard.DataTransformerConfig{
			{Id: transformation, Options: options},
			{Id: "filterFieldsByName", Options: map[string]any{"include": map[string]any{"names": names}}},
			{Id: "organize", Options: map[string]any{
				"indexByName": order, "renameByName": titles, "excludeByName": map[string]bool{},
			}},
			{Id: "sortBy", Options: map[string]any{
				"fields": map[string]any{}, "sort": []map[string]any{{"field": sortBy, "desc": descending}},
			}},
		}
		if transformation == joinByKey {
			p.Transformations = slices.Insert(p.Transformations, 1, onlyRowsOf("where"))
		}
	})
}
