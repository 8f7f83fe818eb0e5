// Taking note of upgraded connections, so that a command can cut them as a failing network would.

package main

import (
	"bufio"
	"net"
	"net/http"
	"sync"
)

// upgrades remembers the connections that handlers took over from the HTTP server.
type upgrades struct {
	mu    sync.Mutex
	conns map[*upgradedConn]struct{}
}

type upgradedConn struct {
	net.Conn
	owner *upgrades
}

// upgradingWriter is a ResponseWriter whose Hijack registers the connection.
type upgradingWriter struct {
	http.ResponseWriter
	owner *upgrades
}

func (u *upgrades) writer(w http.ResponseWriter) http.ResponseWriter {
	return &upgradingWriter{ResponseWriter: w, owner: u}
}

// cut closes all of them without a word and returns how many there were.
func (u *upgrades) cut() int {
	u.mu.Lock()
	conns := u.conns
	u.conns = nil
	u.mu.Unlock()
	for c := range conns {
		c.Conn.Close()
	}
	return len(conns)
}

func (u *upgrades) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.conns)
}

func (c *upgradedConn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.conns, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

func (w *upgradingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *upgradingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	c := &upgradedConn{Conn: conn, owner: w.owner}
	w.owner.mu.Lock()
	if w.owner.conns == nil {
		w.owner.conns = map[*upgradedConn]struct{}{}
	}
	w.owner.conns[c] = struct{}{}
	w.owner.mu.Unlock()
	return c, rw, nil
}
