module github.com/memoize-go/memoize

go 1.25.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/google/go-cmp v0.7.0
	github.com/huandu/go-clone v1.7.3
	github.com/jonboulle/clockwork v0.5.0
	go.uber.org/goleak v1.3.0
	pgregory.net/rapid v1.3.0
)
