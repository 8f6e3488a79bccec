package main

import (
	"container/list"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// connections bounds the memory that clients can hold. A connection beyond the
// limit is not refused, which would let a few hostile clients lock out all
// others: it displaces the one that has been in the same state for the longest
// time. A request takes microseconds, so that one is idle or dribbles.
type connections struct {
	max int
	log *slog.Logger

	mu     sync.Mutex
	open   map[net.Conn]*list.Element
	oldest list.List // of net.Conn, the longest without a change of state in front
}

func newConnections(max int, log *slog.Logger) *connections {
	return &connections{max: max, log: log, open: map[net.Conn]*list.Element{}}
}

// track is the server's http.Server.ConnState.
func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.open[conn]
	switch {
	case state == http.StateNew:
		c.open[conn] = c.oldest.PushBack(conn)
	case !ok: // displaced, and not yet aware of it
	case state == http.StateClosed:
		c.remove(element)
	default:
		c.oldest.MoveToBack(element)
	}
	if len(c.open) > c.max {
		displaced := c.remove(c.oldest.Front())
		displaced.Close()
		c.log.Debug("too many connections: closed the longest idle one", "remoteIp", displaced.RemoteAddr().String())
	}
}

func (c *connections) remove(element *list.Element) net.Conn {
	conn := c.oldest.Remove(element).(net.Conn)
	delete(c.open, conn)
	return conn
}

// count is the number of open connections.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
