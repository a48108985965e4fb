package main

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	latency = 50 * time.Millisecond

	// An answer is good for a second. For ten more it may be used while a new one is on its way (RFC 5861).
	cacheControl = "max-age=1, stale-while-revalidate=10"
)

// origin is the slow backend: a real HTTP server on the loopback interface.
type origin struct {
	server   *http.Server
	listener net.Listener

	calls  atomic.Int64
	faulty atomic.Bool // every tenth answer is an error
	down   atomic.Bool // every answer is one
}

// startOrigin starts a server that runs until stop.
func startOrigin() (*origin, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &origin{listener: listener}
	o.server = &http.Server{Handler: o, ReadHeaderTimeout: 10 * time.Second}
	go o.server.Serve(listener) // until Close, with an error that says so
	return o, nil
}

func (o *origin) url() string { return "http://" + o.listener.Addr().String() }

func (o *origin) stop() { o.server.Close() }

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := o.calls.Add(1)
	down := o.down.Load()
	select {
	case <-time.After(latency):
	case <-r.Context().Done():
		return
	}
	switch {
	case down:
		http.Error(w, "closed for repair", http.StatusServiceUnavailable)
	case o.faulty.Load() && n%10 == 0:
		http.Error(w, "something broke", http.StatusInternalServerError)
	default:
		w.Header().Set("Cache-Control", cacheControl)
		fmt.Fprintf(w, "this is %s", r.URL.Path)
	}
}
