package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// page is the value that the cache holds. Those who get it share it.
type page struct {
	header http.Header
	body   []byte
}

// client fetches pages from the origin.
type client struct {
	http http.Client
	base string
}

func newClient(base string) *client {
	const connections = 250 // at most, so that a thousand requests at once do not run out of file descriptors
	transport := &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}
	return &client{base: base, http: http.Client{Transport: transport}}
}

// fetch is the load function. An answer that is not 200 OK is an error, so it is never kept.
func (c *client) fetch(ctx context.Context, path string) (page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return page{}, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return page{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return page{}, err
	}
	if response.StatusCode != http.StatusOK {
		return page{}, fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return page{response.Header, body}, nil
}

// lifespan is the entry builder's part: a page is fresh for the max-age of its header, and usable for its
// stale-while-revalidate after that, while the cache tries to get a new one. Without these, or with no-store or
// no-cache, it is not kept.
func lifespan(_ string, p page) (updateAfter, expireAfter time.Duration) {
	var maxAge, stale time.Duration
	for directive := range strings.SplitSeq(p.header.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0, 0
		case "max-age":
			maxAge = seconds(value)
		case "stale-while-revalidate":
			stale = seconds(value)
		}
	}
	return maxAge, maxAge + stale
}

// seconds returns 0 for what is not a number of seconds.
func seconds(text string) time.Duration {
	n, err := strconv.ParseUint(text, 10, 31) // 68 years; more would overflow a Duration
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
