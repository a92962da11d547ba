package server

import (
	"cmp"
	"runtime/debug"

	"atlas-restore-exporter/collector"
)

// BuildInfo returns the build information of this binary. If version is empty, which means that the linker did not
// set it, the version is the one that the go command recorded, or else "dev".
func BuildInfo(version string) collector.BuildInfo {
	build := collector.BuildInfo{Version: version, Revision: "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		build.GoVersion = info.GoVersion
		if build.Version == "" && info.Main.Version != "(devel)" {
			build.Version = info.Main.Version
		}
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				build.Revision = setting.Value
			}
		}
	}
	build.Version = cmp.Or(build.Version, "dev")
	return build
}
