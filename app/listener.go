package main

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// bufferSize is what the kernel may keep of requests that the service has not yet read,
// and as much of answers that the client has not. Otherwise a client could have megabytes of
// the pod's memory used by sending many requests and reading no answer. The kernel doubles it.
const bufferSize = 8 << 10

// listen listens on a port of all addresses. The connections have the listener's buffers
// from their first byte on: what they send while they wait to be accepted is the pod's, too,
// as soon as they are.
func listen(port string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, socket syscall.RawConn) error {
		var refused error
		err := socket.Control(func(fd uintptr) {
			for _, buffer := range []int{syscall.SO_RCVBUF, syscall.SO_SNDBUF} {
				refused = errors.Join(refused, syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, buffer, bufferSize))
			}
		})
		return errors.Join(err, refused)
	}}
	return config.Listen(context.Background(), "tcp", net.JoinHostPort("", port))
}

// limitedListener accepts a connection while open has room for it. Others wait in the
// kernel's queue. Who notices that a connection is closed takes its element from open.
type limitedListener struct {
	net.Listener
	open chan struct{} // one element for each open connection
}

func (l limitedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.open <- struct{}{}
	}
	return conn, err
}
