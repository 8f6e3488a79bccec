package main

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"testing"
)

// BenchmarkService has so many clients ask the service over TCP, each again as soon as it
// is answered, over another connection if the answer ends its own. They share the processors with it.
func BenchmarkService(b *testing.B) {
	for _, clients := range []int{32, 1000} {
		b.Run(fmt.Sprint(clients, "clients"), func(b *testing.B) {
			listener, err := listen("0")
			if err != nil {
				b.Fatal(err)
			}
			s := newServer("v1", "pod", slog.New(slog.DiscardHandler))
			go s.serve(listener)
			defer s.http.Close()
			b.SetParallelism(clients / runtime.GOMAXPROCS(0))
			b.RunParallel(func(more *testing.PB) {
				var conn net.Conn
				var answers *bufio.Reader
				closes, err := true, error(nil)
				for more.Next() && err == nil {
					if closes {
						if conn, err = net.Dial("tcp", listener.Addr().String()); err != nil {
							break
						}
						answers = bufio.NewReaderSize(conn, 512)
					}
					if closes, err = ask(conn, answers, "/index", v1); closes {
						conn.Close()
					}
				}
				if err != nil {
					b.Error(err)
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
		})
	}
}
