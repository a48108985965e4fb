package main

import (
	"net/http"
	"testing"
	"time"
)

func TestLifespanObeysTheHeader(t *testing.T) {
	tests := []struct {
		header                   string
		updateAfter, expireAfter time.Duration
	}{
		{"", 0, 0},
		{"max-age=60", time.Minute, time.Minute},
		{"max-age=60, stale-while-revalidate=30", time.Minute, 90 * time.Second},
		{"public,stale-while-revalidate=30 , Max-Age=60", time.Minute, 90 * time.Second},
		{"max-age=60, no-store", 0, 0},
		{"no-cache, max-age=60", 0, 0},
		{"max-age=-60", 0, 0},
		{"max-age=soon, stale-while-revalidate=30", 0, 30 * time.Second},
		{"max-age=9223372036854775807", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.header, func(t *testing.T) {
			p := page{header: http.Header{"Cache-Control": {tt.header}}}
			updateAfter, expireAfter := lifespan("/", p)
			if updateAfter != tt.updateAfter || expireAfter != tt.expireAfter {
				t.Errorf("lifespan = %v, %v, want %v, %v", updateAfter, expireAfter, tt.updateAfter, tt.expireAfter)
			}
		})
	}
}
