package journal

import "time"

// DefaultSync bounds what a crash of the machine can take.
const DefaultSync = 100 * time.Millisecond

// syncer calls a function some time after a mark, once for all marks until then.
type syncer struct {
	every   time.Duration
	run     func()
	marked  chan struct{} // holds one: something waits for the next run
	stopped chan struct{}
	done    chan struct{}
}

// startSyncer starts the goroutine; every as in Config.SyncEvery.
func startSyncer(every time.Duration, run func()) *syncer {
	if every == 0 {
		every = DefaultSync
	}
	s := &syncer{
		every:   every,
		run:     run,
		marked:  make(chan struct{}, 1),
		stopped: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go s.loop()
	return s
}

// mark says that there is something to sync.
func (s *syncer) mark() {
	select {
	case s.marked <- struct{}{}:
	default:
	}
}

func (s *syncer) unmark() {
	select {
	case <-s.marked:
	default:
	}
}

func (s *syncer) loop() {
	defer close(s.done)
	for {
		select {
		case <-s.marked:
		case <-s.stopped:
			return
		}
		if s.every < 0 {
			continue
		}
		timer := time.NewTimer(s.every)
		select {
		case <-timer.C:
			s.unmark() // what was marked by now is in the run
			s.run()
		case <-s.stopped:
			timer.Stop()
			return
		}
	}
}

// stop ends the goroutine without a last run.
func (s *syncer) stop() {
	close(s.stopped)
	<-s.done
}
