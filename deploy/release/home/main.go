// Command home moves the project to a public address, such as github.com/OWNER/atlas-restore-exporter. The module path
// in go.mod is the one setting from which everything else derives: imports, the container image, and all links. Run it
// in the root of the project, then `make golden`, and review the difference.
//
// Without an argument, it prints the addresses that derive from the current module path, for the workflow that
// publishes releases. It prints nothing if the project has no home.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	if len(os.Args) > 2 {
		_, _ = fmt.Fprintln(os.Stderr, "usage: go run ./deploy/release/home [github.com/OWNER/atlas-restore-exporter]")
		os.Exit(2)
	}
	var err error
	if len(os.Args) == 2 {
		err = move(".", os.Args[1])
	} else {
		err = printAddresses(".", os.Stdout)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "home:", err)
		os.Exit(1)
	}
}

// address matches module paths that are also the address of a repository on GitHub.
var address = regexp.MustCompile(`^github\.com/[a-zA-Z0-9-]+/[a-zA-Z0-9._-]+$`)

// move changes the module path of the project in root, and everything that derives from it.
func move(root, home string) error {
	if !address.MatchString(home) {
		return fmt.Errorf("address %q: must have the form github.com/OWNER/NAME", home)
	}
	module, err := moduleOf(root)
	if err != nil {
		return err
	}
	edits := editsOf(module, home)
	return filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == ".cache" || entry.Name() == "dist") {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		return edit(file, edits[kindOf(root, file)])
	})
}

// printAddresses writes the repository, the image, and the chart of the project's home as outputs of a workflow step.
func printAddresses(root string, w io.Writer) error {
	module, err := moduleOf(root)
	if err != nil || !address.MatchString(module) {
		return err
	}
	repository := strings.TrimPrefix(module, "github.com/")
	image := imageOf(module)
	_, err = fmt.Fprintf(w, "repository=%s\nimage=%s\nchart=%s/charts/%s\n", repository, image, path.Dir(image), chartName)
	return err
}

// chartName is the name in Chart.yaml.
const chartName = "atlas-restore-exporter"

// imageOf returns the container image of a home.
func imageOf(home string) string {
	return "ghcr.io/" + strings.ToLower(strings.TrimPrefix(home, "github.com/"))
}

// moduleOf returns the module path of the project in root.
func moduleOf(root string) (string, error) {
	goMod, err := os.ReadFile(filepath.Join(root, "go.mod")) //nolint:gosec // the project's own file
	if err != nil {
		return "", err
	}
	match := regexp.MustCompile(`(?m)^module (\S+)$`).FindSubmatch(goMod)
	if match == nil {
		return "", errors.New("go.mod has no line with the module path")
	}
	return string(match[1]), nil
}

// replacement replaces all matches of a pattern, with $1 and so on for the pattern's groups.
type replacement struct {
	pattern *regexp.Regexp
	with    string
}

// kindOf returns the key of a file's edits: its extension or, for files with an edit of their own, its path.
func kindOf(root, file string) string {
	relative, err := filepath.Rel(root, file)
	if err != nil {
		return ""
	}
	if extension := filepath.Ext(relative); extension == ".go" || extension == ".mod" {
		return extension
	}
	return filepath.ToSlash(relative)
}

func editsOf(module, home string) map[string][]replacement {
	old := regexp.QuoteMeta(module)
	url := "https://" + home
	const chart = "deploy/kubernetes/chart/"
	return map[string][]replacement{
		".go":           {{regexp.MustCompile(`"` + old + `(/(?:atlas|collector|deploy|internal)\b)`), `"` + home + `$1`}},
		".mod":          {{regexp.MustCompile(`(?m)(^|[ \t])` + old + `(/\S*)?( |$)`), `${1}` + home + `$2$3`}},
		".golangci.yml": {{regexp.MustCompile(`([ \[])` + old + `(/|\]|\n)`), `${1}` + home + `$2`}},
		chart + "Chart.yaml": {
			{regexp.MustCompile(`(?m)^(home|sources): .*\n`), ""},
			{regexp.MustCompile(`(?m)^type: .*\n`), "${0}home: " + url + "\nsources: [" + url + "]\n"},
		},
		chart + "values.yaml": {{regexp.MustCompile(`(?m)^  repository: .*$`), "  repository: " + imageOf(home)}},
		".goreleaser.yaml": {
			{regexp.MustCompile(`(?m)^    homepage: .*\n`), ""},
			{regexp.MustCompile(`(?m)^    license: .*\n`), "${0}    homepage: " + url + "\n"},
		},
		"deploy/docker/Dockerfile": {
			{regexp.MustCompile(`(SOURCE|DOCUMENTATION)="\S*"( |\n)`), `$1="` + url + `"$2`},
		},
	}
}

func edit(file string, replacements []replacement) error {
	if len(replacements) == 0 {
		return nil
	}
	content, err := os.ReadFile(file) //nolint:gosec // the project's own file
	if err != nil {
		return err
	}
	edited := content
	for _, r := range replacements {
		edited = r.pattern.ReplaceAll(edited, []byte(r.with))
	}
	if bytes.Equal(edited, content) {
		return nil
	}
	const readable = 0o644
	return os.WriteFile(file, edited, readable) //nolint:gosec // keeps the mode of the file
}
