package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"hyok/internal/config"
)

// A Problem is the first place where a chain is broken.
type Problem struct {
	File string
	Line int    // of the file, from 1
	What string // what was found, in words
}

// Error gives "file:line: what" on one line.
func (p *Problem) Error() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.What) }

// A Result is a chain that is whole.
type Result struct {
	First, Last uint64 // numbers of lines; 0: there are none
	Hash        string // of the last line
}

// Check verifies the chain in files, in the order of their numbers, whatever the
// order of paths. The files may begin in the middle of a chain, where the proxy
// began a new file: Result.First then says which lines were not looked at. The
// error is a *Problem, or says that a file could not be read.
func Check(key config.Secret, paths ...string) (Result, error) {
	files := make([]*source, len(paths))
	for i, path := range paths {
		f, err := openSource(path)
		if err != nil {
			return Result{}, err
		}
		defer f.Close()
		files[i] = f
	}
	slices.SortStableFunc(files, func(a, b *source) int { return compareFirst(a.first, b.first) })
	c := checker{sealer: newSealer(key), files: files, head: head{hash: zero}}
	for i := range files {
		if err := c.file(i); err != nil {
			return Result{}, err
		}
	}
	return Result{c.begun, c.head.seq, string(c.head.hash[:])}, nil
}

// compareFirst orders files by the number of their first line, those without
// lines last.
func compareFirst(a, b uint64) int {
	switch {
	case a == b:
		return 0
	case a != 0 && (a < b || b == 0):
		return -1
	}
	return 1
}

// A source is a file to check.
type source struct {
	*os.File
	first uint64 // number of its first line; 0: not to be found
}

func openSource(path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &source{File: f}
	if _, err := fmt.Fscanf(f, `{"seq":%d,`, &s.first); err != nil {
		s.first = 0 // the check itself will say what is wrong
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// A checker walks the lines of files.
type checker struct {
	sealer sealer
	files  []*source
	head   head
	begun  uint64 // number of the first line; 0: none yet
}

// file checks one file.
func (c *checker) file(i int) error {
	name := c.files[i].Name()
	r := bufio.NewReaderSize(c.files[i], maxLine)
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return nil
		case err == io.EOF:
			return &Problem{name, n, "the last line has no end: it is being written, a crash cut it, or somebody did; xksproxy mends it at its next start and says so in the chain"}
		case errors.Is(err, bufio.ErrBufferFull):
			return &Problem{name, n, "altered: " + errForm.Error()}
		case err != nil:
			return err
		}
		p, err := c.sealer.parse(line[:len(line)-1])
		if err != nil {
			return &Problem{name, n, "altered: " + err.Error()}
		}
		what, err := c.link(p, i, r)
		if err != nil {
			return err
		}
		if what != "" {
			return &Problem{name, n, what}
		}
		c.head = p.head
	}
}

// link says why a line, whole by itself, does not follow the one before it; ""
// when it does. r is behind the line, in file i.
func (c *checker) link(p parsed, i int, r *bufio.Reader) (string, error) {
	want := c.head.seq + 1
	switch {
	case c.begun == 0:
		if p.seq == 1 && p.prev != zero || p.seq != 1 && p.event != eventContinued {
			return fmt.Sprintf("removed: the chain begins with line %d, and not where a file begins", p.seq), nil
		}
		c.begun = p.seq
	case p.seq == want && p.prev == c.head.hash:
	case p.seq == want:
		return fmt.Sprintf("altered: line %d does not link to the line %d before it, one of them is not the original", p.seq, c.head.seq), nil
	case p.seq < want:
		return fmt.Sprintf("inserted: a line %d where line %d was to come", p.seq, want), nil
	default:
		later, err := c.later(want, i, r)
		if err == nil && later {
			return fmt.Sprintf("reordered: line %d where line %d was to come, which comes later", p.seq, want), nil
		}
		return fmt.Sprintf("removed: lines %d to %d before line %d", want, p.seq-1, p.seq), err
	}
	return "", nil
}

// later tells whether the line with this number comes behind r, in file i or
// those after it.
func (c *checker) later(seq uint64, i int, r *bufio.Reader) (bool, error) {
	for {
		for {
			line, err := r.ReadSlice('\n')
			if err == io.EOF {
				break
			}
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return false, err
			}
			if p, err := c.sealer.parse(line[:max(0, len(line)-1)]); err == nil && p.seq == seq {
				return true, nil
			}
		}
		if i++; i == len(c.files) {
			return false, nil
		}
		r = bufio.NewReaderSize(c.files[i], maxLine)
	}
}
