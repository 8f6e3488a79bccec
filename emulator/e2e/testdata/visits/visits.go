// Visits counts its visitors in a database, etcd, that is outside of the cluster. It
// is slow to start, as a service is that first fills its caches.
package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"
	_ "time/tzdata" // the image has no time zones
)

const (
	slow     = 20 * time.Second
	patience = 5 * time.Second
)

func main() {
	began := time.Now()
	database := os.Getenv("DATABASE") // host:port
	if err := ask(database, "put", `{"key": "dGltYmVy", "value": ""}`, nil); err != nil {
		log.Fatal(err) // without its database it is of no use, and Kubernetes starts it again
	}
	time.Sleep(time.Until(began.Add(slow)))
	// Without a module, Go keeps to the patterns of before 1.22.
	http.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		var found struct {
			KVs []struct{ Version string }
		}
		err := ask(database, "put", `{"key": "dGltYmVy", "value": ""}`, nil)
		if err == nil {
			err = ask(database, "range", `{"key": "dGltYmVy"}`, &found)
		}
		if err != nil || len(found.KVs) != 1 {
			http.Error(w, fmt.Sprint("no database: ", err), http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, "counted %t\n", found.KVs[0].Version > "1")
	})
	http.HandleFunc("/needs", needs)
	server := &http.Server{Addr: ":" + os.Getenv("PORT"), ReadHeaderTimeout: patience}
	log.Fatal(server.ListenAndServe())
}

// needs answers what a service that calls others expects of its image and of its pod.
func needs(w http.ResponseWriter, _ *http.Request) {
	trusted := "missing"
	if pool, err := x509.SystemCertPool(); err == nil && !pool.Equal(x509.NewCertPool()) {
		trusted = "found"
	}
	file, err := os.CreateTemp("", "")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer os.Remove(file.Name())
	defer file.Close()
	kept, err := file.WriteString("written")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "certificates %s, time zone %s, %d bytes in %s\n", trusted, time.Now().Format("-0700"), kept, filepath.Dir(file.Name()))
}

// ask calls etcd's JSON gateway. Keys are in base 64.
func ask(database, method, body string, answer any) error {
	client := http.Client{Timeout: patience}
	response, err := client.Post("http://"+database+"/v3/kv/"+method, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd answers %s", response.Status)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
