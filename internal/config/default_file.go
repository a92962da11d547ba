package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// DefaultFiles are the paths of the configuration file that are used if none is given. At most one may exist.
func DefaultFiles() []string { return []string{"atlas-restore-exporter.yaml", "config.yaml"} }

// FindDefaultFile returns the default file that exists, or an error if there is none or more than one.
func FindDefaultFile() (string, error) {
	var found []string
	for _, path := range DefaultFiles() {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			found = append(found, path)
		}
	}
	names := strings.Join(DefaultFiles(), " and ")
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		directory := "the current directory"
		if current, err := os.Getwd(); err == nil {
			directory = current
		}
		return "", fmt.Errorf("no configuration file: %s do not exist in %s; set the path with --config.file",
			names, directory)
	}
	return "", fmt.Errorf("two configuration files: %s exist; remove one of them, or set the path with --config.file",
		names)
}
