// Package runbooks serves the runbooks of the alerts as HTML pages without scripts and external resources. The pages
// are rendered from deploy/runbooks/README.md by the program in the directory generate, and are embedded.
package runbooks

//go:generate go run -C generate . -source ../../../deploy/runbooks/README.md -out ../pages
