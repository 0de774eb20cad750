package audit

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// chainOf makes the lines of a chain by hand, as somebody without the file would.
func chainOf(from head, ids ...string) (lines []string) {
	s := newSealer("")
	for _, id := range ids {
		body := appendRecord(nil, record(id))
		lines = append(lines, string(s.appendLine(nil, body[:len(body)-1], &from)))
	}
	return lines
}

func swap(l []string, i, j int) []string {
	l[i], l[j] = l[j], l[i]
	return l
}

func TestTheFirstLineThatIsWrongIsFound(t *testing.T) {
	good := chainOf(head{hash: zero}, "1", "2", "3", "4", "5", "6")
	s := newSealer("")
	third, err := s.parse([]byte(strings.TrimSuffix(good[2], "\n")))
	if err != nil {
		t.Fatal(err)
	}
	forged := chainOf(third.head, "forged")[0] // a line 4, well made
	for name, c := range map[string]struct {
		change func(l []string) []string
		want   string // "": whole
	}{
		"nothing changed":                    {func(l []string) []string { return l }, ""},
		"nothing there":                      {func([]string) []string { return nil }, ""},
		"one removed":                        {func(l []string) []string { return slices.Delete(l, 2, 3) }, "3: removed: lines 3 to 3"},
		"several removed":                    {func(l []string) []string { return slices.Delete(l, 1, 4) }, "2: removed: lines 2 to 4"},
		"the first removed":                  {func(l []string) []string { return l[1:] }, "1: removed: the chain begins with line 2"},
		"a word altered":                     {func(l []string) []string { l[3] = strings.Replace(l[3], "ok", "no", 1); return l }, "4: altered: its hash"},
		"a number altered":                   {func(l []string) []string { l[3] = strings.Replace(l[3], `"seq":4`, `"seq":9`, 1); return l }, "4: altered: its hash"},
		"a member added behind":              {func(l []string) []string { l[3] = strings.Replace(l[3], "}", `,"x":1}`, 1); return l }, "4: altered: it is not in the form"},
		"a member named twice":               {func(l []string) []string { l[3] = strings.Replace(l[3], `,"hash"`, `,"seq":9,"hash"`, 1); return l }, "4: altered: it is not in the form"},
		"a blank added":                      {func(l []string) []string { l[3] = " " + l[3]; return l }, "4: altered: it is not in the form"},
		"an empty line":                      {func(l []string) []string { return slices.Insert(l, 3, "\n") }, "4: altered: it is not in the form"},
		"text":                               {func(l []string) []string { return slices.Insert(l, 3, strings.Repeat("x", 3*maxLine)+"\n") }, "4: altered: it is not in the form"},
		"one repeated":                       {func(l []string) []string { return slices.Insert(l, 4, l[1]) }, "5: inserted: a line 2"},
		"one forged before the true one":     {func(l []string) []string { return slices.Insert(l, 3, forged) }, "5: inserted: a line 4"},
		"one forged in the true one's place": {func(l []string) []string { l[3] = forged; return l }, "5: altered: line 5 does not link"},
		"two swapped":                        {func(l []string) []string { return swap(l, 2, 3) }, "3: reordered: line 4"},
		"the end cut off within a line":      {func(l []string) []string { l[5] = l[5][:99]; return l }, "6: the last line has no end"},
	} {
		t.Run(name, func(t *testing.T) {
			p := path(t)
			if err := os.WriteFile(p, []byte(strings.Join(c.change(slices.Clone(good)), "")), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Check("", p)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), p+":"+c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestEveryAlteredByteIsFound(t *testing.T) {
	p := path(t)
	text := []byte(strings.Join(chainOf(head{hash: zero}, "1", "2"), ""))
	for i := range text {
		changed := slices.Clone(text)
		changed[i] ^= 1
		if err := os.WriteFile(p, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Check("", p); err == nil {
			t.Errorf("byte %d altered: the chain is whole", i)
		}
	}
}

func TestAFileThatCannotBeReadIsNoBrokenChain(t *testing.T) {
	_, err := Check("", path(t))
	if err == nil || isProblem(err, "") {
		t.Errorf("got %v", err)
	}
}

// A line that is accepted is what the package makes of its members.
func FuzzParse(f *testing.F) {
	for _, line := range chainOf(head{hash: zero}, "1", "2") {
		f.Add(strings.TrimSuffix(line, "\n"))
	}
	event := appendEvent(nil, eventRepaired, time.Unix(0, 0), 7)
	s := newSealer("")
	f.Add(strings.TrimSuffix(string(s.appendLine(nil, event[:len(event)-1], &head{hash: zero})), "\n"))
	f.Fuzz(func(t *testing.T, line string) {
		p, err := s.parse([]byte(line))
		if err != nil {
			return
		}
		start := fmt.Sprintf(`{"seq":%d,"prev":"%s",`, p.seq, p.prev[:])
		body, ok := strings.CutPrefix(line, start)
		if !ok || !strings.HasSuffix(body, hashMember+string(p.hash[:])+`"}`) {
			t.Fatalf("accepted %q", line)
		}
		h := head{seq: p.seq - 1, hash: p.prev}
		again := s.appendLine(nil, []byte(body[:strings.LastIndex(body, hashMember)]), &h)
		if string(again) != line+"\n" {
			t.Errorf("accepted %q, made %q", line, again)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	l := open(b, Config{Path: path(b)})
	r := record("12345126-30d5-4b28-98b9-9153da559963")
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Write(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite16(b *testing.B) {
	l := open(b, Config{Path: path(b)})
	r := record("12345126-30d5-4b28-98b9-9153da559963")
	b.ReportAllocs()
	b.SetParallelism(8) // 16 callers on two processors
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := l.Write(context.Background(), r); err != nil {
				b.Error(err)
			}
		}
	})
}
