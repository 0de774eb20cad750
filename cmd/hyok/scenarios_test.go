package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The rehearsals of docs/scenarios.md run as a reader would paste them: with sh,
// the AWS CLI, and a hyok up of their own. Paragraphs of a block are steps; the
// comments at the end of one say what it prints, or that it fails and how.
const scenariosFile = "../../docs/scenarios.md"

// A scenario is a section of the file that has a block.
type scenario struct {
	title string
	up    []string          // options of hyok up
	files map[string]string // that those options name
	steps []scenarioStep
}

type scenarioStep struct {
	command string
	prints  []string // what its output has in it
	fails   bool     // the last command ends with another status than 0
}

var (
	sectionForm = regexp.MustCompile(`(?m)^## (.+)$`)
	blockForm   = regexp.MustCompile("(?s)\n```sh\n(.*?)```")
	fileForm    = regexp.MustCompile("(?s)`([a-z]+\\.yaml)`:\n\n```yaml\n(.*?)```")
	upForm      = regexp.MustCompile("`hyok up ([^`]+)`")
)

// readScenarios gives the preparation, the first block of the file, and the scenarios.
func readScenarios(t *testing.T) (preparation []scenarioStep, all []scenario) {
	t.Helper()
	text, err := os.ReadFile(scenariosFile)
	must(t, err)
	places := sectionForm.FindAllStringSubmatchIndex(string(text), -1)
	for i, at := range places {
		end := len(text)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		section := string(text[at[1]:end])
		blocks := blockForm.FindAllStringSubmatch(section, -1)
		if len(blocks) == 0 {
			continue
		}
		s := scenario{title: string(text[at[2]:at[3]])}
		if m := upForm.FindStringSubmatch(section); m != nil {
			s.up = strings.Fields(m[1])
		}
		s.files = make(map[string]string)
		for _, m := range fileForm.FindAllStringSubmatch(section, -1) {
			s.files[m[1]] = m[2]
		}
		for _, b := range blocks {
			s.steps = append(s.steps, stepsOf(b[1])...)
		}
		if preparation == nil {
			preparation = s.steps
			continue
		}
		words := strings.Join(strings.Fields(section), " ")
		for _, part := range []string{"**The caller**", "**Metrics:**", "**In real life:**"} {
			if !strings.Contains(words, part) {
				t.Errorf("the rehearsal %q has no %s", s.title, part)
			}
		}
		all = append(all, s)
	}
	return preparation, all
}

// stepsOf takes a block apart.
func stepsOf(block string) (all []scenarioStep) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(block), "\n\n") {
		var s scenarioStep
		var lines []string
		for line := range strings.Lines(paragraph) {
			line = strings.TrimRight(line, "\n")
			if text, ok := strings.CutPrefix(line, "# prints: "); ok {
				s.prints = append(s.prints, text)
			} else if text, ok := strings.CutPrefix(line, "# fails: "); ok {
				s.prints, s.fails = append(s.prints, text), true
			} else {
				lines = append(lines, line)
			}
		}
		s.command = strings.Join(lines, "\n")
		all = append(all, s)
	}
	return all
}

func TestScenarios(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("NOT RUN: the AWS CLI is missing; install it with: pip install awscli")
	}
	preparation, all := readScenarios(t)
	if raceEnabled { // they take ten minutes then; what they call is raced by the other tests
		t.Logf("NOT RUN under the race detector: all rehearsals but the first of %d", len(all))
		all = all[:min(1, len(all))]
	}
	if len(all) == 0 {
		t.Fatal("there are no scenarios in " + scenariosFile)
	}
	for i, s := range all {
		t.Run(fmt.Sprintf("%02d %s", i+1, s.title), func(t *testing.T) {
			t.Parallel()
			r := up(t, t.TempDir(), s.options(t)...)
			sh := newShell(t, r)
			for _, step := range append(preparation, s.steps...) {
				sh.walk(step)
			}
			r.stop()
		})
	}
}

// options are those of hyok up, with the files in place.
func (s scenario) options(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	all := slices.Clone(s.up)
	for i, option := range all {
		if content, ok := s.files[option]; ok {
			all[i] = filepath.Join(dir, option)
			must(t, os.WriteFile(all[i], []byte(content), 0o600))
		}
	}
	return all
}

// A shell runs steps one after the other, with the variables of those before.
type shell struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func newShell(t *testing.T, r *running) *shell {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	bin := t.TempDir()
	must(t, os.WriteFile(filepath.Join(bin, "hyok"), fmt.Appendf(nil, "#!/bin/sh\n%s=1 exec %q \"$@\"\n", asHyok, self), 0o700))
	config := filepath.Join(bin, "aws.config")
	must(t, os.WriteFile(config, []byte("[default]\ncli_follow_urlparam = false\n"), 0o600))
	cmd := exec.CommandContext(t.Context(), "sh")
	cmd.Dir = t.TempDir()
	cmd.Env = append(clientEnv(t, r.env), "PATH="+bin+":"+os.Getenv("PATH"), "AWS_CONFIG_FILE="+config)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = cmd.Stdout
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // its status is that of the last step
	})
	return &shell{t, in, bufio.NewReader(out)}
}

// stepTime is the longest that a step may take: it may wait for a key store to connect.
const stepTime = time.Minute

// walk runs a step and compares.
func (sh *shell) walk(s scenarioStep) {
	sh.t.Helper()
	const mark = "hyok-scenario-step-ended"
	if _, err := fmt.Fprintf(sh.in, "{ %s\n} </dev/null; status=$?; echo; echo %s $status\n", s.command, mark); err != nil {
		sh.t.Fatal(err)
	}
	late := time.AfterFunc(stepTime, func() { panic("after " + stepTime.String() + " a step has not ended: " + s.command) })
	defer late.Stop()
	var printed strings.Builder
	for {
		line, err := sh.out.ReadString('\n')
		if err != nil {
			sh.t.Fatalf("%s\nended the shell after\n%s", s.command, printed.String())
		}
		if status, ended := strings.CutPrefix(line, mark+" "); ended {
			if failed := strings.TrimSpace(status) != "0"; failed != s.fails {
				sh.t.Fatalf("%s\nended with status %s after\n%s", s.command, status, printed.String())
			}
			break
		}
		printed.WriteString(line)
	}
	for _, want := range s.prints {
		if !strings.Contains(printed.String(), want) {
			sh.t.Fatalf("%s\nprinted\n%s\nwant in it\n%s", s.command, printed.String(), want)
		}
	}
}
