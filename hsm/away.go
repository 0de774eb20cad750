package hsm

import (
	"errors"
	"fmt"
	"time"
)

// mayOpenAway tells whether a token that is not there is opened all the same. Only
// its serial number says surely which one it is when it comes.
func (c TokenConfig) mayOpenAway(err error) bool {
	return c.MayBeAway && c.Serial != "" && errors.Is(err, ErrNoToken)
}

// openAway opens a token that is not there: it is unavailable, and the recovery
// looks for it as for one that has gone.
func (m *Module) openAway(c TokenConfig, p Profile, why error) (*Token, error) {
	t := m.newToken(c.withDefaults(m.config, p), p, TokenInfo{Serial: c.Serial, Label: c.Label})
	missing := fmt.Errorf("%w: %v", ErrUnavailable, why)
	nothing := &connection{keys: new(keyCache)} // of epoch 0, which no module has
	t.conn.Store(nothing)
	t.down.Store(&outage{err: missing, since: time.Now()})
	t.down.opened.Add(1)
	var err error
	if c.PIN != "" {
		err = t.claimLogin(c.PIN)
	}
	if err == nil {
		err = m.adopt(t)
	}
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("opening the token with serial number %s: %w", c.Serial, err)
	}
	t.mender.mu.Lock()
	defer t.mender.mu.Unlock()
	t.mender.round = &mending{first: make(chan struct{})}
	go t.mendRound(t.mender.round, nothing, missing)
	return t, nil
}
