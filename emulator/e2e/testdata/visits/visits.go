// Visits counts its visitors in a database, etcd, that is outside of the cluster. It
// is slow to start, as a service is that first fills its caches.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
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
	server := &http.Server{Addr: ":" + os.Getenv("PORT"), ReadHeaderTimeout: patience}
	log.Fatal(server.ListenAndServe())
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
