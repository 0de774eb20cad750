package metrics

import "runtime/debug"

// version overrides what the build knows of itself. Release builds set it:
//
//	go build -ldflags "-X hyok/internal/metrics.version=v1.2.3"
var version string

// Version tells which version of the program this is: the one set at build time;
// else the module's version; else "devel-" and the first 12 digits of the commit,
// with "-dirty" after it when files were changed; else "devel".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var commit, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = "-" + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if commit == "" {
		return "devel"
	}
	return "devel" + commit + dirty
}
