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
// is answered. They share the processors with it.
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
				conn, err := net.Dial("tcp", listener.Addr().String())
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close()
				for answers := bufio.NewReaderSize(conn, 512); more.Next(); {
					if closes, err := ask(conn, answers, "/index", v1); err != nil || closes {
						b.Errorf("closes: %t, %v", closes, err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
		})
	}
}
