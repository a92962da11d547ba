package status

import "net/url"

// links is the external URL of the exporter, without a trailing slash. If it is empty, links are relative, which works
// behind every path prefix that ends with a slash.
type links string

// page returns the link to a path of the exporter, which must not begin with a slash.
func (l links) page(path string) string {
	if l == "" {
		return "./" + path
	}
	return string(l) + "/" + path
}

// cluster returns the link to the page of one cluster. Alerts depend on its form.
func (l links) cluster(projectID, name string) string {
	return l.page("?project=" + url.QueryEscape(projectID) + "&cluster=" + url.QueryEscape(name))
}
