package main

import (
	"container/list"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// connections is the listener of an http.Server. Accept returns a connection each
// time a whole request header has arrived on it. Between requests a connection
// waits here and needs about 6 KiB. In net/http it would need 20 KiB, and up to
// 100 KiB while its client sends a header slowly.
//
// The number of connections is limited, but clients that work are not cut off.
// While there is no room, new connections wait in the kernel's queue. Those that
// have waited too long for a request are closed, and an answer ends its connection.
type connections struct {
	listener net.Listener
	limits   limits
	log      *slog.Logger

	errors chan error    // from the listener
	ready  chan *conn    // connections with a whole header
	slots  chan struct{} // one element for each connection that net/http answers
	freed  chan struct{} // one element after a connection is closed
	closed chan struct{}

	open    atomic.Int64
	crowded atomic.Bool // a connection waits for room

	mu sync.Mutex
	// A connection is in at most one list, with the longest there in front.
	staying list.List // answered a moment ago, and still in net/http
	silent  list.List // new, and nothing received
	partial list.List // a part of a header received
	idle    list.List // answered, and nothing received since
	serving list.List // net/http answers
}

// limits bound the memory that clients can use.
type limits struct {
	open    int // connections
	partial int // those with a part of a header
	serving int // those that net/http answers
	staying int // up to so many in all wait for their next request in net/http
}

// limitsWithin returns the limits for a process that may use so many bytes.
func limitsWithin(memory int64) limits {
	const (
		process        = 6 << 20
		connection     = 6 << 10
		staying        = 20 << 10
		servingAtWorst = 100 << 10 // a header of the smallest possible lines, parsed
	)
	return limits{
		open:    int(max(100, (memory-process)/connection)),
		partial: int(max(20, memory/16/headerLimit)),
		serving: int(max(10, memory/8/servingAtWorst)),
		staying: int(memory / 2 / staying),
	}
}

// patience is how long a connection may be without a request while others wait
// for room. Clients that work need milliseconds, even when there are thousands.
const patience = time.Second

func newConnections(limits limits, log *slog.Logger) *connections {
	return &connections{
		limits: limits,
		log:    log,
		errors: make(chan error),
		ready:  make(chan *conn),
		slots:  make(chan struct{}, limits.serving),
		freed:  make(chan struct{}, 1),
		closed: make(chan struct{}),
	}
}

// listen starts to accept connections.
func (c *connections) listen(listener net.Listener) {
	c.listener = listener
	go func() {
		for {
			accepted, err := listener.Accept()
			if err != nil {
				select {
				case c.errors <- err: // net/http waits before it calls Accept again
					continue
				case <-c.closed:
					return
				}
			}
			c.waitForRoom()
			c.open.Add(1)
			client := newConn(accepted, c)
			if c.move(client, &c.silent) {
				go c.receive(client)
			}
		}
	}()
}

// waitForRoom returns when there is room for a connection, or the listener is closed.
func (c *connections) waitForRoom() {
	defer c.crowded.Store(false)
	for c.open.Load() >= int64(c.limits.open) {
		if !c.crowded.Swap(true) {
			c.log.Warn("too many connections: new ones wait, or displace those without a request", "open", c.limits.open)
		}
		c.displace(&c.partial, &c.silent, &c.idle)
		select {
		case <-c.freed:
		case <-time.After(10 * time.Millisecond):
		case <-c.closed:
			return
		}
	}
}

// displace ends the longest wait in the first of these lists that has one longer
// than patience.
func (c *connections) displace(lists ...*list.List) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range lists {
		if first := l.Front(); first != nil && time.Since(first.Value.(*conn).since) > patience {
			client := first.Value.(*conn)
			switch l {
			case &c.silent, &c.idle:
				client.lastLook.Store(true)
				client.leave()
				client.Conn.SetReadDeadline(time.Now())
			default:
				c.drop(client)
			}
			c.log.Debug("displaced a connection without a request", "remoteIp", client.remote.text)
			return
		}
	}
}

// receive waits for a whole header and hands the connection to net/http. To need
// the smallest stack of a goroutine while it waits, it does nothing before.
func (c *connections) receive(client *conn) {
	for !client.headerComplete() {
		if !client.receive() {
			c.end(client)
			return
		}
		if !client.headerComplete() && len(client.received) > 0 && !c.move(client, &c.partial) {
			return
		}
	}
	if !c.enter(client) {
		return
	}
	select {
	case c.ready <- client:
	case <-c.closed:
		client.Close()
	}
}

// stay waits for the next request without leaving net/http, which saves a sixth
// of an answer's cost. It reports false if the connection has to leave: there are
// too many, or no request comes soon.
func (c *connections) stay(client *conn) bool {
	if c.open.Load() > int64(c.limits.staying) || !c.move(client, &c.staying) {
		return false
	}
	client.free()
	if !client.headerComplete() {
		client.receive()
	}
	return client.headerComplete() && c.enter(client)
}

// enter takes a slot for a connection with a whole header, and reports false if
// the connection is closed before.
func (c *connections) enter(client *conn) bool {
	if !c.move(client, nil) || !c.acquire() {
		c.end(client)
		return false
	}
	client.inside.Store(true)
	return c.move(client, &c.serving)
}

// acquire takes a slot, and reports false if the listener is closed before.
func (c *connections) acquire() bool {
	for {
		select {
		case c.slots <- struct{}{}:
			return true
		default:
		}
		select {
		case c.slots <- struct{}{}:
			return true
		case <-time.After(patience):
			c.displace(&c.serving)
		case <-c.closed:
			return false
		}
	}
}

// move puts a connection into a list, or into none if l is nil, and reports
// false if the connection is closed.
func (c *connections) move(client *conn, l *list.List) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
		c.drop(client)
	default:
	}
	if client.dropped || client.list == l {
		return !client.dropped
	}
	client.leave()
	if l == nil {
		return true
	}
	client.list, client.since, client.place = l, time.Now(), l.PushBack(client)
	switch l {
	case &c.staying:
		client.Conn.SetReadDeadline(client.since.Add(patience))
	case &c.silent:
		client.Conn.SetReadDeadline(client.since.Add(readHeaderTimeout))
	case &c.idle:
		client.Conn.SetReadDeadline(client.since.Add(idleTimeout))
	case &c.partial:
		client.Conn.SetReadDeadline(client.since.Add(readHeaderTimeout))
		if l.Len() > c.limits.partial {
			c.drop(l.Front().Value.(*conn))
		}
	}
	return !client.dropped
}

// end closes a connection.
func (c *connections) end(client *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(client)
}

// drop closes a connection. The caller holds the mutex.
func (c *connections) drop(client *conn) {
	if client.dropped {
		return
	}
	client.dropped = true
	client.leave()
	client.Conn.Close()
	c.open.Add(-1)
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

// Accept returns the next connection with a whole header.
func (c *connections) Accept() (net.Conn, error) {
	select {
	case client := <-c.ready:
		return client, nil
	case err := <-c.errors:
		return nil, err
	case <-c.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the listener and the connections that wait for a request.
func (c *connections) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
		return nil
	default:
		close(c.closed)
	}
	for _, l := range []*list.List{&c.staying, &c.silent, &c.partial, &c.idle} {
		for l.Len() > 0 {
			c.drop(l.Front().Value.(*conn))
		}
	}
	return c.listener.Close()
}

// Addr returns the listener's address.
func (c *connections) Addr() net.Addr { return c.listener.Addr() }

// track is the server's http.Server.ConnState.
func (c *connections) track(client net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		client.(*conn).answered = true
	}
}
