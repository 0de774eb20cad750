package proxy

import (
	"cmp"
	"reflect"
	"slices"

	"hyok/internal/config"
)

// LoadChanged reads and checks a file that a Server runs on, and that may have
// changed since: running is what the Server was opened with, nil before it is. A
// store on a token that was not opened is refused. The error is as LoadFile's.
// sources tell, also after an error, when to read the file again.
func LoadChanged(path string, running *File) (f *File, sources *config.Sources, err error) {
	c := &changed{running: running}
	if sources, err = config.LoadSources(path, c); err != nil {
		return nil, sources, err
	}
	if ca := c.TLS.ClientCA; ca != "" {
		sources.Add(ca)
	}
	return &c.File, sources, nil
}

// changed is a File that is compared with the one in use.
type changed struct {
	File    `yaml:",inline"`
	running *File
}

// Validate implements config.Validator.
func (c *changed) Validate() error {
	if err := c.File.Validate(); err != nil || c.running == nil {
		return err
	}
	open, kind := names{}, map[string]string{}
	for _, g := range c.Groups {
		kind[g.Name] = "group"
	}
	for _, t := range c.running.Tokens {
		open[t.Name] = true
	}
	for _, g := range c.running.Groups {
		open[g.Name] = true
	}
	return each("stores", c.Stores, func(s FileStore) error {
		name := s.Token
		if name == "" {
			name = c.Tokens[0].Name // the only one, as was checked
		}
		if !open[name] {
			return fieldError("token", "the %s %q is new; restart the proxy to open it", cmp.Or(kind[name], "token"), name)
		}
		return nil
	})
}

// NeedsRestart names what next changes of f and a running Server cannot take
// over: keys of the file, with the name of the entry behind those of a list.
func (f *File) NeedsRestart(next *File) []string {
	var keys []string
	for _, c := range []struct {
		key      string
		old, new any
	}{
		{"listen", f.Listen, next.Listen},
		{"metrics_listen", f.MetricsListen, next.MetricsListen},
		{"inject_faults", f.InjectFaults, next.InjectFaults},
		{"simulate_clusters", f.SimulateClusters, next.SimulateClusters},
	} {
		if !reflect.DeepEqual(c.old, c.new) {
			keys = append(keys, c.key)
		}
	}
	return slices.Concat(keys,
		changedEntries("modules.", f.Modules, next.Modules, func(m FileModule) string { return m.Name }),
		changedEntries("tokens.", f.Tokens, next.Tokens, func(t FileToken) string { return t.Name }),
		changedEntries("groups.", f.Groups, next.Groups, func(g FileGroup) string { return g.Name }),
		changedEntries("clusters.", f.Clusters, next.Clusters, func(c FileCluster) string { return c.ID }))
}

// changedEntries names the entries that are not alike in both lists, sorted.
func changedEntries[T any](prefix string, old, next []T, name func(T) string) []string {
	entries := func(list []T) map[string]T {
		all := make(map[string]T, len(list))
		for _, entry := range list {
			all[name(entry)] = entry
		}
		return all
	}
	before, after := entries(old), entries(next)
	var keys []string
	for entry, was := range before {
		if is, ok := after[entry]; !ok || !reflect.DeepEqual(was, is) {
			keys = append(keys, prefix+entry)
		}
	}
	for entry := range after {
		if _, ok := before[entry]; !ok {
			keys = append(keys, prefix+entry)
		}
	}
	slices.Sort(keys)
	return keys
}
