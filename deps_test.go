package main

import (
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadmeDependencies holds the README's table of dependencies to go.mod, and to what is linked into the binary.
func TestReadmeDependencies(t *testing.T) {
	direct := directDependencies(t)
	linked := linkedModules(t)
	said := map[string]bool{}
	brought := map[string]bool{} // by the rows above
	for _, row := range dependencyRows(t) {
		module, why, adds := row[1], row[2], row[3]
		if said[module] || !direct[module] || why == "" {
			t.Errorf("%s: want one row, with a reason, for each direct dependency of go.mod", module)
		}
		said[module] = true
		want := "tests only"
		if modules, ok := linked[module]; ok {
			modules = slices.DeleteFunc(modules, func(m string) bool { return direct[m] || brought[m] })
			for _, m := range modules {
				brought[m] = true
			}
			want = "nothing"
			if len(modules) > 0 {
				want = "`" + strings.Join(modules, "`, `") + "`"
			}
		}
		if adds != want {
			t.Errorf("%s adds %s\nwant %s", module, adds, want)
		}
	}
	for module := range direct {
		if !said[module] {
			t.Errorf("the README's table of dependencies has no %s", module)
		}
	}
}

// directDependencies returns the modules that go.mod requires for this project's own packages.
func directDependencies(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^(?:require)?\s+(\S+) v\S+$`).FindAllStringSubmatch(string(text), -1) {
		modules[match[1]] = true
	}
	if len(modules) == 0 {
		t.Fatal("go.mod requires nothing")
	}
	return modules
}

func dependencyRows(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Dependencies\n")
	table, _, _ = strings.Cut(table, "\n## ")
	return regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*?) \\| (.*) \\|$").FindAllStringSubmatch(table, -1)
}

// linkedModules returns, for each module whose packages the exporter imports, the other modules that come with them into
// the binary for Linux.
func linkedModules(t *testing.T) map[string][]string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{.ImportPath}} {{with .Module}}{{.Path}}{{else}}-{{end}} {{join .Imports " "}}`, ".")
	command.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	listed, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	const own, standard = "atlas-restore-exporter", "-"
	module, imports := map[string]string{}, map[string][]string{}
	for line := range strings.Lines(string(listed)) {
		fields := strings.Fields(line)
		module[fields[0]], imports[fields[0]] = fields[1], fields[2:]
	}
	reached := map[string]map[string]bool{} // modules, by the module through which they are
	var visit func(pkg, through string, seen map[string]bool)
	visit = func(pkg, through string, seen map[string]bool) {
		if seen[pkg] || module[pkg] == standard {
			return
		}
		seen[pkg] = true
		if module[pkg] != through {
			reached[through][module[pkg]] = true
		}
		for _, imported := range imports[pkg] {
			visit(imported, through, seen)
		}
	}
	seen := map[string]map[string]bool{}
	for pkg, in := range module {
		if in != own {
			continue
		}
		for _, imported := range imports[pkg] {
			if m := module[imported]; m != own && m != standard {
				if reached[m] == nil {
					reached[m], seen[m] = map[string]bool{}, map[string]bool{}
				}
				visit(imported, m, seen[m])
			}
		}
	}
	modules := map[string][]string{}
	for through, others := range reached {
		modules[through] = slices.Sorted(maps.Keys(others))
	}
	return modules
}
