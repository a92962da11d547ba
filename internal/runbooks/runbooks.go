package runbooks

import (
	"bytes"
	"embed"
	"html"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

//go:embed pages/*.html
var pages embed.FS

// notes end the page of each alert, because notifications link to these pages.
//
//go:embed pages/notes.html
var notes string

//go:embed layout.html
var layoutHTML string

var layout = template.Must(template.New("layout").Parse(layoutHTML))

// parameters are the parameters of a query that replace the placeholders in a page. Values that don't match are
// ignored, because anybody can create a link.
var parameters = []struct {
	name, placeholder string
	valid             *regexp.Regexp
}{
	{"project", "PROJECT_ID", regexp.MustCompile(`^[0-9a-f]{24}$`)},
	{"cluster", "CLUSTER_NAME", regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)},
	{"job", "JOB_ID", regexp.MustCompile(`^[0-9a-f]{24}$`)},
	{"target_project", "TARGET_PROJECT", regexp.MustCompile(`^[0-9a-f]{24}$`)},
	{"target_cluster", "TARGET_CLUSTER", regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)},
}

// runbookLink matches the beginning of a link to the runbook of an alert.
var runbookLink = regexp.MustCompile(`<a href="atlasrestore[a-z]+`)

// view is the data of a page. Links are relative, so that they work behind a proxy that removes a path.
type view struct {
	Title                     string
	Style                     template.CSS
	Content                   template.HTML
	Query                     url.Values
	IndexLink, StatusPageLink string
}

// Handler serves the index of the runbooks. With the path value "alert", the name of an alert in any case, it serves
// the runbook of this alert. The query project=<ID>&cluster=<name>&job=<ID>&target_project=<ID>&target_cluster=<name>
// replaces the placeholders in commands, queries, and links. Links to other runbooks keep the cluster and the job.
type Handler struct {
	// Style is the style sheet of the pages.
	Style string
}

// ServeHTTP implements http.Handler.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, view := "index", view{Style: template.CSS(h.Style), StatusPageLink: "./"} //nolint:gosec // an embedded file
	if alert := r.PathValue("alert"); alert != "" {
		file, view.StatusPageLink, view.IndexLink = "alert-"+strings.ToLower(alert), "../", "../runbooks"
	}
	content, err := pages.ReadFile("pages/" + file + ".html")
	if err != nil {
		http.Error(w, "no such runbook", http.StatusNotFound)
		return
	}
	title, text, _ := strings.Cut(string(content), "\n")
	if file != "index" {
		text += notes
	}
	query := validParameters(r.URL.Query())
	view.Title, view.Query = title, query
	for _, parameter := range parameters {
		if value := query.Get(parameter.name); value != "" {
			text = strings.ReplaceAll(text, parameter.placeholder, value)
		}
	}
	text = keepAlert(text, query)
	view.Content = template.HTML(text) //nolint:gosec // an embedded file with valid values
	var page bytes.Buffer
	if err := layout.Execute(&page, view); err != nil {
		http.Error(w, "rendering the runbook failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w)
}

// keepAlert adds the cluster and the job to the links to other runbooks. The target of a restore is not added: another
// runbook can start a restore, which must not overwrite that target.
func keepAlert(text string, query url.Values) string {
	alert := maps.Clone(query)
	alert.Del("target_project")
	alert.Del("target_cluster")
	if len(alert) == 0 {
		return text
	}
	return runbookLink.ReplaceAllString(text, "$0?"+html.EscapeString(alert.Encode()))
}

// validParameters returns the parameters with valid values.
func validParameters(query url.Values) url.Values {
	valid := url.Values{}
	for _, parameter := range parameters {
		if value := query.Get(parameter.name); parameter.valid.MatchString(value) {
			valid.Set(parameter.name, value)
		}
	}
	return valid
}
