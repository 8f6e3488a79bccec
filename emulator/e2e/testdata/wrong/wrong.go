// Command wrong is a version of the service that should never have been deployed: it is
// alive, and ready if the linker says so, and answers everything else with an error.
package main

import (
	"log"
	"net/http"
	"os"
	"time"
)

var ready = ""

func main() {
	log.Print("the database is gone")
	server := &http.Server{Addr: ":" + os.Getenv("PORT"), ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/livez" && (r.URL.Path != "/readyz" || ready == "") {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})}
	log.Fatal(server.ListenAndServe())
}
