package config

import "os"

// Sources are the files that a configuration was read from, the file itself and
// those that it names for secrets, each as it was just before it was read. They
// say whether it is time to read the configuration again. What a command printed
// and what the environment held cannot be looked at, and is not among them.
type Sources struct {
	paths []string
	seen  Look
}

// A Look is how the files of Sources were at one time: size, time and inode. A
// file that could not be looked at is nil.
type Look []os.FileInfo

// LoadSources does what Load does and tells the files it has looked at. They are
// given with an error too: what mends the configuration changes one of them.
func LoadSources(path string, into any) (*Sources, error) {
	s := new(Sources)
	s.Add(path)
	data, err := readFile(path)
	if err != nil {
		return s, err
	}
	return s, parse(path, data, os.LookupEnv, into, s)
}

// Add notes one more file, which is about to be read. A pipe cannot be read again
// and is left out. A nil s notes nothing.
func (s *Sources) Add(path string) {
	if s == nil {
		return
	}
	info, _ := os.Stat(path)
	if info != nil && !info.Mode().IsRegular() {
		return
	}
	s.paths = append(s.paths, path)
	s.seen = append(s.seen, info)
}

// AsRead is how the files were when they were read.
func (s *Sources) AsRead() Look { return s.seen }

// Now looks at the files.
func (s *Sources) Now() Look {
	now := make(Look, len(s.paths))
	for i, path := range s.paths {
		now[i], _ = os.Stat(path)
	}
	return now
}

// Same reports whether no file differs between two looks at the same Sources.
func (l Look) Same(o Look) bool {
	if len(l) != len(o) {
		return false
	}
	for i := range l {
		if !sameFile(l[i], o[i]) {
			return false
		}
	}
	return true
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}
