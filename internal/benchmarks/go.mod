module github.com/memoize-go/memoize/internal/benchmarks

go 1.25.0

require (
	github.com/memoize-go/memoize v0.0.0
	github.com/puzpuzpuz/xsync/v4 v4.5.0
)

require (
	github.com/huandu/go-clone v1.7.3 // indirect
	github.com/jonboulle/clockwork v0.5.0 // indirect
)

replace github.com/memoize-go/memoize => ../..
