package serve

import (
	"net"
	"sync"
	"syscall"
)

// defaultShare is the Share of an Endpoint that has none, in percent.
const defaultShare = 10

// connections is how many a listener with this share may have at a time, at
// least one. Where the limit cannot be read, that of most systems' defaults holds.
func connections(share int) int {
	if share == 0 {
		share = defaultShare
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		limit.Cur = 1024
	}
	return int(max(1, min(limit.Cur, mostDescriptors)*uint64(share)/100))
}

// mostDescriptors bounds a limit that is none.
const mostDescriptors = 1 << 20

// A limitedListener has at most so many connections open. Further ones wait in
// the system's queue until one of them ends.
type limitedListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func limitConnections(l net.Listener, n int) net.Listener {
	return &limitedListener{Listener: l, places: make(chan struct{}, n), closed: make(chan struct{})}
}

// Accept waits for a place and then for a connection.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// Close ends an Accept that waits.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// A placedConn gives its place back when it is closed.
type placedConn struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *placedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
