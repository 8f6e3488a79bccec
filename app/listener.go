package main

import "net"

// bufferSize is what the kernel may keep of requests that the service has not yet read,
// and as much of answers that the client has not. Otherwise a client could have megabytes of
// the pod's memory used by sending many requests and reading no answer. The kernel doubles it.
const bufferSize = 8 << 10

// limitedListener accepts a connection while open has room for it. Others wait in the
// kernel's queue. Who notices that a connection is closed takes its element from open.
type limitedListener struct {
	net.Listener
	open   chan struct{} // one element for each open connection
	closed chan struct{}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(bufferSize)
		_ = tcp.SetWriteBuffer(bufferSize)
	}
	select {
	case l.open <- struct{}{}:
		return conn, nil
	case <-l.closed:
		conn.Close()
		return nil, net.ErrClosed
	}
}

// Close is called once, by net/http.
func (l *limitedListener) Close() error {
	close(l.closed)
	return l.Listener.Close()
}
