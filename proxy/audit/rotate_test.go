package audit

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var discard = slog.New(slog.DiscardHandler)

// files are all files of the log at p.
func files(t *testing.T, p string) []string {
	t.Helper()
	all, err := filepath.Glob(p + "*")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAChainGoesOnInNewFiles(t *testing.T) {
	p := path(t)
	for i := range 2 {
		l := open(t, Config{Path: p, MaxSize: 2000})
		for j := range 10 {
			write(t, l, fmt.Sprint(i, j))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	all := files(t, p)
	if len(all) < 5 {
		t.Fatalf("files %v", all)
	}
	for _, name := range all {
		if info, _ := os.Stat(name); info.Size() > 2000+700 {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
		if first := strings.SplitN(content(t, name), "\n", 2)[0]; !strings.Contains(first, `"seq":1,`) && !strings.Contains(first, `"event":"continued"`) {
			t.Errorf("%s begins with %s", name, first)
		}
	}
	last := check(t, "", all...)
	slices.Reverse(all)
	if check(t, "", all...) != last {
		t.Error("the order of the arguments matters")
	}
	// The oldest files may be gone: what is left is a chain that says where it begins.
	slices.Sort(all)
	kept := append([]string{all[0]}, all[3:]...) // all[0] is the newest
	if r, err := Check("", kept...); err != nil || r.First == 1 || r.Last != last {
		t.Errorf("without the oldest: %+v %v", r, err)
	}
	if _, err := Check("", slices.Delete(slices.Clone(all), 2, 3)...); !isProblem(err, "removed: lines") {
		t.Errorf("without one in the middle: %v", err)
	}
}

func isProblem(err error, what string) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && strings.HasPrefix(p.What, what)
}

// The process can end between the renaming and the first line of the new file.
func TestAChainGoesOnWhenACrashCameWithTheNewFile(t *testing.T) {
	for name, leave := range map[string]string{"no file": "", "an empty file": "empty", "part of a line": `{"seq":3`} {
		t.Run(name, func(t *testing.T) {
			p := path(t)
			l := open(t, Config{Path: p})
			write(t, l, "a")
			_ = l.Close()
			if err := os.Rename(p, rotatedName(p, 3)); err != nil {
				t.Fatal(err)
			}
			if leave != "" {
				if err := os.WriteFile(p, []byte(strings.TrimPrefix(leave, "empty")), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(t, open(t, Config{Path: p}), "b")
			if last := check(t, "", files(t, p)...); last < 6 {
				t.Errorf("%d lines", last)
			}
		})
	}
}

// A name that is taken must not be overwritten; the old file goes on.
func TestWhenNoNewFileCanBeBegunTheOldOneGoesOn(t *testing.T) {
	p := path(t)
	l := open(t, Config{Path: p, MaxSize: 1})
	if err := os.WriteFile(rotatedName(p, 1), []byte("taken"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, l, "a")
	if last := check(t, "", p); last != 2 {
		t.Errorf("%d lines", last)
	}
	if content(t, rotatedName(p, 1)) != "taken" {
		t.Error("a file was overwritten")
	}
}
