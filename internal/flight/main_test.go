package flight

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/memoize-go/memoize/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is the instant at which the tests begin.
var start = time.Date(2026, time.March, 14, 15, 9, 26, 0, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

// group is a registry of flights for int keys and string values; a job says what the test wants to know.
type group = Group[int, string, string]

func newGroup() *group { return New[int, string, string]() }

func entryOf(value string, created time.Time) *storage.Entry[string] {
	return storage.NewEntry(value, created, created.Add(10*time.Minute), created.Add(30*time.Minute))
}

// registered counts the keys that the registry has something about.
func registered(g *group) (n int) {
	for i := range g.shards {
		g.shards[i].mu.Lock()
		n += g.shards[i].slots.len()
		g.shards[i].mu.Unlock()
	}
	return n
}

// atRest checks that nothing is running and that the registry holds nothing.
func atRest(t *testing.T, g *group) {
	t.Helper()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.Idle(ended, true); err != nil {
		t.Errorf("something is still running")
	}
	if n := registered(g); n != 0 {
		t.Errorf("%d keys are still registered", n)
	}
	if g.Fenced() {
		t.Error("entries are still refused")
	}
}

// named returns a job, by which a test knows the flight that has it.
func named(job string) *string { return &job }

// join joins or registers a flight for a key that is not stored.
func join(g *group, key int, now time.Time) Outcome[int, string, string] {
	return g.Join(key, g.Hash(key), g.Version(g.Hash(key)), nil, now, named("job"))
}

// lead registers a flight and starts its load.
func lead(t *testing.T, g *group, key int, now time.Time) *Flight[int, string, string] {
	t.Helper()
	out := join(g, key, now)
	if out.Flight == nil || !out.Led || !out.Start {
		t.Fatalf("Join = %+v, want a new flight", out)
	}
	if !out.Flight.HasBegun() || !out.Flight.Began().Equal(now) {
		t.Fatalf("the flight of Join has begun: %v, at %v", out.Flight.HasBegun(), out.Flight.Began())
	}
	return out.Flight
}

// isDone reports whether the flight's result was published.
func isDone[T interface{ Done() <-chan struct{} }](f T) bool {
	select {
	case <-f.Done():
		return true
	default:
		return false
	}
}

// mayBegin reports whether the write would not have to wait.
func mayBegin(g *group, t *Turn[int]) bool {
	if t.ready != nil {
		select {
		case <-t.ready:
		default:
			return false
		}
	}
	sh := g.shard(t.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return t.begun || sh.gates == 0
}

// refuses reports whether an entry of key that is read from now on must not be handed out.
func refuses(g *group, key int, entry *storage.Entry[string], now time.Time) bool {
	floor := g.Floor(key, now)
	return !floor.IsZero() && !entry.Created().After(floor)
}

// isNewest reports whether what the turn writes is the newest value of its key.
func isNewest(g *group, turn *Turn[int]) bool {
	_, own, ok := g.Newest(turn)
	return own && ok
}
