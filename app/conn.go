package main

import (
	"bytes"
	"container/list"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// conn is a client's connection. For net/http it ends where no request follows an
// answer soon. There Read returns io.EOF, and Close has the connection wait.
type conn struct {
	net.Conn
	owner  *connections
	remote address

	received []byte // and not yet read by net/http
	header   int    // length of the header at the start of received, 0 if it is not whole
	buffer   [512]byte

	answered bool          // net/http waits for another request
	deadline time.Time     // of reads by net/http
	aborted  chan struct{} // one element if net/http aborts a read
	lastLook atomic.Bool   // the connection is closed unless a request has arrived

	inside atomic.Bool // net/http has the connection, which takes a slot

	// The rest is guarded by owner.mu.
	list    *list.List
	place   *list.Element
	since   time.Time // when the connection got there
	dropped bool
}

func newConn(accepted net.Conn, owner *connections) *conn {
	remote := accepted.RemoteAddr()
	c := &conn{
		Conn:    accepted,
		owner:   owner,
		remote:  address{remote.Network(), remote.String()},
		aborted: make(chan struct{}, 1),
	}
	c.received = c.buffer[:0]
	return c
}

// leave removes the connection from its list. The caller holds owner.mu.
func (c *conn) leave() {
	if c.list != nil {
		c.list.Remove(c.place)
		c.list, c.place = nil, nil
	}
}

// receive reads what the client sends, and reports false if no more can come.
func (c *conn) receive() bool {
	if len(c.received) == cap(c.received) {
		c.received = append(make([]byte, 0, min(4*cap(c.received), headerLimit)), c.received...)
	}
	free := c.received[len(c.received):cap(c.received)]
	n, err := c.Conn.Read(free)
	if err != nil && c.lastLook.Swap(false) {
		c.Conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, err = c.Conn.Read(free)
	}
	c.received = c.received[:len(c.received)+n]
	return n > 0 || err == nil
}

// headerComplete reports whether a header has arrived, or as much of one as
// net/http reads before it refuses it.
func (c *conn) headerComplete() bool {
	if c.header > 0 {
		return true
	}
	end := len(c.received)
	for _, blank := range []string{"\n\r\n", "\n\n"} {
		if i := bytes.Index(c.received[:end], []byte(blank)); i >= 0 {
			end = i + len(blank)
			c.header = end
		}
	}
	if len(c.received) >= headerLimit {
		c.header = end
	}
	return c.header > 0
}

// Read is called by net/http.
func (c *conn) Read(p []byte) (int, error) {
	if c.answered && c.owner.stay(c) {
		c.answered = false
	}
	switch {
	case c.header > 0:
		n := c.read(p[:min(len(p), c.header)])
		c.header -= n
		return n, nil
	case c.answered:
		return 0, io.EOF
	case len(p) == 1:
		// While net/http answers a request without a body, it reads a byte to notice
		// that the client goes away. It aborts that with a deadline in the past. No answer takes long
		// enough to be worth it, and the byte would be lost here.
		<-c.aborted
		return 0, os.ErrDeadlineExceeded
	case len(c.received) > 0:
		return c.read(p), nil
	}
	if err := c.Conn.SetReadDeadline(c.deadline); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// read reads from what was received.
func (c *conn) read(p []byte) int {
	n := copy(p, c.received)
	c.received = c.received[n:]
	if len(c.received) == 0 {
		c.received = c.buffer[:0]
	}
	return n
}

// SetReadDeadline is called by net/http.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	if !t.IsZero() && t.Before(c.since) {
		select {
		case c.aborted <- struct{}{}:
		default:
		}
	}
	return nil
}

// SetWriteDeadline is called by net/http. It sets one before each answer, so that
// removing it after the answer is not worth its cost.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// Close is called by net/http, also after an answer that does not end the connection.
func (c *conn) Close() error {
	c.free()
	if c.answered && c.owner.move(c, &c.owner.idle) {
		c.answered = false
		go c.owner.receive(c)
		return nil
	}
	c.owner.end(c)
	return nil
}

// free gives the connection's slot to another.
func (c *conn) free() {
	if c.inside.Swap(false) {
		<-c.owner.slots
	}
}

// RemoteAddr returns the client's address.
func (c *conn) RemoteAddr() net.Addr { return &c.remote }

// address is a net.Addr whose text is made once, instead of for each request.
type address struct{ network, text string }

func (a *address) Network() string { return a.network }
func (a *address) String() string  { return a.text }
