package traffic

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Kept is what clients saw that each keep one connection and ask again as soon as
// they are answered.
type Kept struct {
	Latencies []time.Duration // of the answers, sorted
	Failures  []error
	Reopened  int // connections that the server closed with an answer
	took      time.Duration
}

// Keep asks for /index with so many clients, for some time from when all of them
// have been answered once.
func Keep(address string, clients int, long time.Duration, want ...string) *Kept {
	k := &Kept{}
	var mutex sync.Mutex
	var opened, running sync.WaitGroup
	opened.Add(clients)
	all, end := make(chan struct{}), make(chan struct{})
	for range clients {
		running.Go(func() {
			c := &client{address: address, want: want}
			c.ask()
			opened.Done()
			<-all
			c.latencies = nil
			for more := true; more; {
				c.ask()
				select {
				case <-end:
					more = false
				default:
				}
			}
			c.close()
			mutex.Lock()
			defer mutex.Unlock()
			k.Latencies = append(k.Latencies, c.latencies...)
			k.Failures = append(k.Failures, c.failures...)
			k.Reopened += c.reopened
		})
		// As fast as a machine can, new connections would be an attack on its kernel.
		time.Sleep(200 * time.Microsecond)
	}
	opened.Wait()
	began := time.Now()
	close(all)
	time.Sleep(long)
	close(end)
	running.Wait()
	k.took = time.Since(began)
	slices.Sort(k.Latencies)
	return k
}

// Rate is how many requests were answered each second.
func (k *Kept) Rate() float64 { return float64(len(k.Latencies)) / k.took.Seconds() }

// Within is the longest latency of a share of the answers, such as 0.99.
func (k *Kept) Within(share float64) time.Duration {
	if len(k.Latencies) == 0 {
		return 0
	}
	return k.Latencies[int(share*float64(len(k.Latencies)-1))]
}

func (k *Kept) String() string {
	return fmt.Sprintf("%.0f requests/s, %d failed %v", k.Rate(), len(k.Failures), errors.Join(k.Failures[:min(3, len(k.Failures))]...))
}

// client keeps one connection.
type client struct {
	address string
	want    []string

	conn      net.Conn
	answers   *bufio.Reader
	latencies []time.Duration
	failures  []error
	reopened  int
}

// maxPatience is how long a client waits for an answer. Thousands of them may be
// more than a small machine can answer within Patience, which is not a failure.
const maxPatience = 30 * time.Second

func (c *client) ask() {
	began := time.Now()
	err := c.open()
	if err == nil {
		err = c.request()
	}
	if err != nil {
		c.failures = append(c.failures, err)
		c.close()
		return
	}
	c.latencies = append(c.latencies, time.Since(began))
}

func (c *client) open() (err error) {
	if c.conn == nil {
		c.conn, err = net.DialTimeout("tcp", c.address, maxPatience)
		c.answers = bufio.NewReaderSize(c.conn, 1024)
	}
	return err
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *client) request() error {
	_ = c.conn.SetDeadline(time.Now().Add(maxPatience))
	if _, err := io.WriteString(c.conn, "GET /index HTTP/1.1\r\nHost: timber\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || !slices.Contains(c.want, string(body)) {
		return fmt.Errorf("status %s: %q", response.Status, body)
	}
	if response.Close {
		c.reopened++
		c.close()
	}
	return nil
}
