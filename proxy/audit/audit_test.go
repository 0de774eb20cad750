package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hyok/internal/config"
)

// record is a record that its request ID tells from others.
func record(id string) *Record {
	return &Record{
		Time: time.Date(2026, 7, 14, 20, 17, 42, 0, time.UTC), KMSRequestID: id, Operation: "Encrypt", KMSOperation: "GenerateDataKey",
		Outcome: "ok", Store: "/tenant-1", Key: "orders-2026", KMSKeyARN: "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		Principal: "arn:aws:iam::111122223333:user/Alice", AccessKeyID: "ABCDEFGHIJKLMNOPQRSTUVWX",
	}
}

func open(t testing.TB, c Config) *Log {
	t.Helper()
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// write writes records with these request IDs.
func write(t testing.TB, l *Log, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := l.Write(context.Background(), record(id)); err != nil {
			t.Fatal(err)
		}
	}
}

// check checks a chain that must be whole, and gives its last number.
func check(t testing.TB, key config.Secret, paths ...string) uint64 {
	t.Helper()
	r, err := Check(key, paths...)
	if err != nil {
		t.Fatal(err)
	}
	return r.Last
}

func path(t testing.TB) string { return filepath.Join(t.TempDir(), "audit.jsonl") }

func content(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAChainGoesOnFromOneProcessToTheNext(t *testing.T) {
	for name, key := range map[string]config.Secret{"plain": "", "with a key": "0123456789abcdef0123456789abcdef"} {
		t.Run(name, func(t *testing.T) {
			p := path(t)
			for range 3 {
				l := open(t, Config{Path: p, Key: key})
				write(t, l, "a", "b\n\"\xff")
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if last := check(t, key, p); last != 12 { // opened, two records, closed: three times
				t.Errorf("%d lines:\n%s", last, content(t, p))
			}
			if _, err := Check(key+"x", p); err == nil {
				t.Error("another key verifies the chain")
			}
		})
	}
}

func TestALineHasWhatTheRequestWas(t *testing.T) {
	p := path(t)
	write(t, open(t, Config{Path: p}), "r-1")
	line := strings.Split(content(t, p), "\n")[1]
	want := `"time":"2026-07-14T20:17:42Z","kms_request_id":"r-1","operation":"Encrypt","kms_operation":"GenerateDataKey","outcome":"ok",` +
		`"store":"/tenant-1","key":"orders-2026","kms_key":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",` +
		`"principal":"arn:aws:iam::111122223333:user/Alice","access_key_id":"ABCDEFGHIJKLMNOPQRSTUVWX","hash":"`
	if !strings.HasPrefix(line, `{"seq":2,"prev":"`) || !strings.Contains(line, want) {
		t.Errorf("got %s", line)
	}
}

// TestThePolicyIsALaterMember goes on with a file that knows of no policies, which
// stays a chain that is whole.
func TestThePolicyIsALaterMember(t *testing.T) {
	p := path(t)
	before := content(t, "testdata/without-policy.jsonl")
	if err := os.WriteFile(p, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	was := check(t, "", p)
	l := open(t, Config{Path: p})
	asked, tried := record("asked"), record("tried")
	asked.Policy, tried.Policy, tried.WouldDeny = `a"b`, "default", true
	for _, r := range []*Record{record("not asked"), asked, tried} {
		if err := l.Write(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if now := check(t, "", p); now != was+5 { // opened, three records, closed
		t.Errorf("%d lines after %d", now, was)
	}
	text := content(t, p)
	if !strings.HasPrefix(text, before) {
		t.Error("what was there has changed")
	}
	for i, want := range []string{`"access_key_id":"ABCDEFGHIJKLMNOPQRSTUVWX","hash":"`, `"policy":"a\"b","hash":"`, `"policy":"default","policy_would_deny":true,"hash":"`} {
		if line := strings.Split(text[len(before):], "\n")[1+i]; !strings.Contains(line, want) {
			t.Errorf("line %d is %s, want %s in it", i, line, want)
		}
	}
}

func TestWritersShareTheChain(t *testing.T) {
	p := path(t)
	l := open(t, Config{Path: p})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 50 {
				if err := l.Write(context.Background(), record(fmt.Sprint(i, "-", j))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if last := check(t, "", p); last != 801 {
		t.Errorf("%d lines", last)
	}
}

func TestAFileBelongsToOneProcess(t *testing.T) {
	p := path(t)
	open(t, Config{Path: p})
	if _, err := Open(Config{Path: p}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
}

func TestAfterCloseEveryWriteFails(t *testing.T) {
	l := open(t, Config{Path: path(t)})
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(context.Background(), record("late")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// A crash can leave a part of the last line, or all but its end, or zeros.
func TestATornLastLineIsRemovedAndTheChainSaysSo(t *testing.T) {
	p := path(t)
	l := open(t, Config{Path: p})
	write(t, l, "kept", "torn")
	whole := content(t, p)
	lines := strings.SplitAfter(whole, "\n")
	for name, part := range map[string]string{
		"a byte": "{", "half": lines[2][:len(lines[2])/2], "all but the newline": lines[2][:len(lines[2])-1], "zeros": `{"seq"` + "\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			p := path(t)
			if err := os.WriteFile(p, []byte(lines[0]+lines[1]+part), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Check("", p); err == nil || !strings.Contains(err.Error(), ":3: the last line has no end") {
				t.Errorf("before the repair: %v", err)
			}
			write(t, open(t, Config{Path: p}), "next")
			if last := check(t, "", p); last != 5 { // opened, kept, repaired, opened, next
				t.Errorf("%d lines", last)
			}
			if want := fmt.Sprintf(`"event":"repaired","removed_bytes":%d,`, len(part)); !strings.Contains(content(t, p), want) {
				t.Errorf("no %s in\n%s", want, content(t, p))
			}
		})
	}
}

func TestAFileThatIsNotALogIsLeftAlone(t *testing.T) {
	good := path(t)
	write(t, open(t, Config{Path: good}), "a")
	for name, text := range map[string]string{
		"text": "root:x:0:0", "lines": "root\nother\n", "json": `{"a":1}` + "\n",
		"an altered last line": strings.Replace(content(t, good), "Alice", "Malice", 1),
		"a log and text":       content(t, good) + "text",
	} {
		t.Run(name, func(t *testing.T) {
			p := path(t)
			if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(Config{Path: p}); !errors.Is(err, errForeign) {
				t.Errorf("got %v", err)
			}
			if content(t, p) != text {
				t.Error("it was changed")
			}
		})
	}
}

// faulty is a real file whose calls can be made to fail.
type faulty struct {
	file
	keep            int // bytes that a failing write leaves
	write, truncate error
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.write == nil {
		return f.file.Write(p)
	}
	n, _ := f.file.Write(p[:min(f.keep, len(p))])
	return n, f.write
}

func (f *faulty) Truncate(size int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.file.Truncate(size)
}

func TestAFailedWriteBreaksNoChain(t *testing.T) {
	for _, keep := range []int{0, 1, 300, 1 << 20} {
		for _, cut := range []error{nil, syscall.EIO} {
			t.Run(fmt.Sprintf("%d bytes left, cutting off: %v", keep, cut), func(t *testing.T) {
				f := &faulty{keep: keep}
				p := path(t)
				l := open(t, Config{Path: p, open: func(path string) (_ file, err error) {
					f.file, err = openFile(path)
					return f, err
				}})
				f.write, f.truncate = syscall.ENOSPC, cut
				if err := l.Write(context.Background(), record("lost")); !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("got %v", err)
				}
				f.write = nil
				if err := l.Write(context.Background(), record("perhaps")); err != nil != (keep > 0 && cut != nil) {
					t.Fatalf("got %v", err)
				}
				f.truncate = nil
				write(t, l, "kept")
				check(t, "", p)
				if text := content(t, p); strings.Contains(text, "lost") || !strings.Contains(text, "kept") {
					t.Errorf("got\n%s", text)
				}
			})
		}
	}
}

func TestAllLinesOfAGroupAreLinked(t *testing.T) {
	c, err := openChain(Config{Path: path(t), Log: discard, open: openFile})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	group := bytes.Repeat(appendRecord(nil, record("x")), 5)
	if err := c.Append(group); err != nil || c.head.seq != 6 {
		t.Errorf("%v, line %d", err, c.head.seq)
	}
	check(t, "", c.config.Path)
}
