package main

import (
	"context"
	"time"

	"hyok/internal/config"
	"hyok/internal/systemd"
	"hyok/proxy"
)

// pollInterval is the time between two looks at the files. A change is taken
// over at the second look that sees it, so that a file is not read while it is
// being written.
const pollInterval = 200 * time.Millisecond

// A reloader says when the configuration is to be read again, and reads it. It
// does so beside the loop that uses it, since a secret's command takes its time.
type reloader struct {
	path     string
	running  *proxy.File     // at the start
	sources  *config.Sources // of the last attempt to read
	unsteady config.Look     // a change that was seen once
	loading  bool
	again    bool // wanted while loading
	loaded   chan loaded
	begin    func() // called when a reading begins
}

// loaded is what came of reading the configuration.
type loaded struct {
	file    *proxy.File
	sources *config.Sources
	err     error
}

func newReloader(path string, running *proxy.File, sources *config.Sources) *reloader {
	return &reloader{path: path, running: running, sources: sources, loaded: make(chan loaded, 1)}
}

// changed reports whether a file differs from what was read, and has come to rest.
func (r *reloader) changed() bool {
	now := r.sources.Now()
	if r.loading || now.Same(r.sources.AsRead()) {
		r.unsteady = nil
		return false
	}
	if now.Same(r.unsteady) {
		return true
	}
	r.unsteady = now
	return false
}

// start reads the configuration; the outcome comes through r.loaded and must be
// handed to done.
func (r *reloader) start() {
	if r.loading {
		r.again = true
		return
	}
	r.loading = true
	r.begin()
	go func() {
		f, sources, err := proxy.LoadChanged(r.path, r.running)
		r.loaded <- loaded{f, sources, err}
	}()
}

func (r *reloader) done(l loaded) {
	r.loading, r.sources, r.unsteady = false, l.sources, nil
	if r.again {
		r.again = false
		r.start()
	}
}

// untilEnd takes over a changed configuration, on SIGHUP too, until ctx ends or
// a listener fails.
func (p *process) untilEnd(ctx context.Context) error {
	p.reloader.begin = func() { p.tell(systemd.Reloading) }
	look := time.NewTicker(pollInterval)
	defer look.Stop()
	ended := make(chan error, 1)
	go func() { ended <- p.group.Wait(ctx) }()
	for {
		select {
		case err := <-ended:
			return err
		case <-p.hangup:
			p.reloader.start()
		case <-look.C:
			if p.reloader.changed() {
				p.reloader.start()
			}
		case l := <-p.reloader.loaded:
			p.takeOver(l)
			p.tell(systemd.Ready) // before the next reading, which may begin in done
			p.reloader.done(l)
		}
	}
}

// takeOver serves what was loaded, or keeps what there is.
func (p *process) takeOver(l loaded) {
	err, endTLS := l.err, func(bool) {}
	if err == nil {
		endTLS, err = p.tls.prepare(l.file.TLS)
	}
	if err == nil {
		err = p.server.Reload(l.file)
		endTLS(err == nil)
	}
	if err != nil {
		p.log.Error("the configuration was not reloaded", "cause", err)
		return
	}
	p.log.Info("the key stores were reloaded", "file", p.reloader.path)
	if keys := p.file.NeedsRestart(l.file); len(keys) > 0 {
		p.log.Warn("changes are not in effect before a restart", "keys", keys)
	}
}
