package postprocess_test

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/memoize-go/memoize/postprocess"
)

func deepCopy[V any](value V) V { return postprocess.DeepCopy[V]().Apply(value) }

// profile has something of everything that a copy can get wrong.
type profile struct {
	Name    string
	Tags    []string
	Scores  map[string][]int
	Parent  *profile
	Extra   any
	Failure error
	Born    time.Time
	secret  map[string]*int
	hidden  any
	pair    [2][]byte
}

func newProfile() profile {
	number := 7
	parent := &profile{Name: "parent", Tags: []string{"p"}}
	return profile{
		Name:    "child",
		Tags:    []string{"a", "b"},
		Scores:  map[string][]int{"x": {1, 2}},
		Parent:  parent,
		Extra:   []any{map[string]any{"k": []int{1}}, nil, parent},
		Failure: errors.New("failure"),
		Born:    time.Date(2026, 1, 1, 0, 0, 0, 0, time.Local),
		secret:  map[string]*int{"n": &number},
		hidden:  []byte("hidden"),
		pair:    [2][]byte{[]byte("first"), nil},
	}
}

// spoil modifies all that p refers to.
func (p *profile) spoil() {
	p.Name = "spoilt"
	p.Tags[0] = "spoilt"
	p.Scores["x"][0] = -1
	p.Scores["y"] = nil
	p.Parent.Tags[0] = "spoilt"
	p.Parent.Name = "spoilt"
	p.Extra.([]any)[0].(map[string]any)["k"].([]int)[0] = -1
	p.Extra.([]any)[1] = "spoilt"
	*p.secret["n"] = -1
	p.hidden.([]byte)[0] = '!'
	p.pair[0][0] = '!'
}

func TestDeepCopyIsEqualAndIndependent(t *testing.T) {
	t.Run("struct", func(t *testing.T) {
		original, want := newProfile(), newProfile()
		got := deepCopy(original)
		if !reflect.DeepEqual(want, got) {
			t.Errorf("copy = %+v, want %+v", got, want)
		}
		got.spoil()
		if !reflect.DeepEqual(want, original) {
			t.Errorf("after a change of the copy the original = %+v, want %+v", original, want)
		}
	})
	t.Run("pointer", func(t *testing.T) {
		original, want := newProfile(), newProfile()
		got := deepCopy(&original)
		if got == &original || !reflect.DeepEqual(&want, got) {
			t.Errorf("copy = %+v, want another %+v", got, want)
		}
		got.spoil()
		if !reflect.DeepEqual(want, original) {
			t.Errorf("after a change of the copy the original = %+v, want %+v", original, want)
		}
	})
	t.Run("interface", func(t *testing.T) {
		original := newProfile()
		want := newProfile()
		got, ok := deepCopy[any](&original).(*profile)
		if !ok || !reflect.DeepEqual(&want, got) {
			t.Fatalf("copy = %+v, want %+v", got, want)
		}
		got.spoil()
		if !reflect.DeepEqual(want, original) {
			t.Errorf("after a change of the copy the original = %+v, want %+v", original, want)
		}
	})
	t.Run("slice", func(t *testing.T) {
		original := [][]int{{1, 2}, nil, {}}
		got := deepCopy(original)
		if diff := cmp.Diff([][]int{{1, 2}, nil, {}}, got); diff != "" {
			t.Errorf("copy differs (-want +got):\n%s", diff)
		}
		got[0][0] = -1
		if original[0][0] != 1 {
			t.Error("a change of the copy reached the original")
		}
	})
	t.Run("map", func(t *testing.T) {
		original := map[[2]int]map[string]bool{{1, 2}: {"a": true}}
		got := deepCopy(original)
		if diff := cmp.Diff(map[[2]int]map[string]bool{{1, 2}: {"a": true}}, got); diff != "" {
			t.Errorf("copy differs (-want +got):\n%s", diff)
		}
		got[[2]int{1, 2}]["b"] = true
		if len(original[[2]int{1, 2}]) != 1 {
			t.Error("a change of the copy reached the original")
		}
	})
	t.Run("big.Int", func(t *testing.T) {
		original := big.NewInt(42)
		got := deepCopy(original)
		got.SetInt64(1)
		if original.Int64() != 42 || got.Int64() != 1 {
			t.Errorf("original %v, copy %v, want 42, 1", original, got)
		}
	})
}

func TestDeepCopyOfNil(t *testing.T) {
	if got := deepCopy[any](nil); got != nil {
		t.Errorf("any: %v, want nil", got)
	}
	if got := deepCopy[error](nil); got != nil {
		t.Errorf("error: %v, want nil", got)
	}
	if got := deepCopy[*profile](nil); got != nil {
		t.Errorf("pointer: %v, want nil", got)
	}
	if got := deepCopy[any]((*profile)(nil)); got != any((*profile)(nil)) {
		t.Errorf("typed nil in an interface: %#v, want (*profile)(nil)", got)
	}
	if got := deepCopy[[]int](nil); got != nil {
		t.Errorf("slice: %v, want nil", got)
	}
	if got := deepCopy[map[string]int](nil); got != nil {
		t.Errorf("map: %v, want nil", got)
	}
	if got := deepCopy[func()](nil); got != nil {
		t.Error("func: not nil")
	}
	if got := deepCopy(profile{}); !reflect.DeepEqual(profile{}, got) {
		t.Errorf("zero struct: %+v", got)
	}
}

// Types without anything to copy are not copied; what that saves is visible in the allocations.
func TestDeepCopySkipsImmutableTypes(t *testing.T) {
	type point struct {
		X, Y float64
		Name string
		At   time.Time
		From netip.AddrPort
		Next func()
		Some [2]struct{ N int8 }
		None [0]*int
	}
	wantNoAllocs(t, "int", 1)
	wantNoAllocs(t, "string", "a")
	wantNoAllocs(t, "time", time.Now())
	wantNoAllocs(t, "struct", point{Name: "p"})
	wantNoAllocs(t, "array", [3]point{})
	wantNoAllocs(t, "func", func() {})

	// The same type beside a pointer is copied.
	type pointed struct {
		point
		P *int
	}
	original := pointed{P: new(int)}
	if got := deepCopy(original); got.P == original.P {
		t.Error("a struct with a pointer among other fields was not copied")
	}
	if original := [1]*int{new(int)}; deepCopy(original)[0] == original[0] {
		t.Error("an array of pointers was not copied")
	}
}

func wantNoAllocs[V any](t *testing.T, name string, value V) {
	t.Helper()
	processor := postprocess.DeepCopy[V]()
	var got V
	if allocs := testing.AllocsPerRun(100, func() { got = processor.Apply(value) }); allocs != 0 {
		t.Errorf("%s: %v allocations, want 0", name, allocs)
	}
	if reflect.TypeFor[V]().Kind() != reflect.Func && fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", value) {
		t.Errorf("%s: copy = %#v, want %#v", name, got, value)
	}
}

func TestDeepCopyOfWhatIsKnownByItsAddress(t *testing.T) {
	type visit struct {
		Addr   netip.Addr
		Prefix []netip.Prefix
		Any    any
		addr   netip.Addr
		Type   reflect.Type
		Zone   *time.Location
		zone   *time.Location
		At     *time.Time
	}
	now := time.Now()
	original := visit{
		Addr:   netip.MustParseAddr("192.0.2.1"),
		Prefix: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")},
		Any:    netip.MustParseAddr("fe80::1%eth0"),
		addr:   netip.MustParseAddr("192.0.2.2"),
		Type:   reflect.TypeFor[visit](),
		Zone:   time.Local,
		zone:   time.UTC,
		At:     &now,
	}
	got := deepCopy(original)
	if got.Addr != original.Addr || got.addr != original.addr || got.Any != original.Any || got.Prefix[0] != original.Prefix[0] {
		t.Errorf("addresses %v, %v, %v, %v do not equal the originals", got.Addr, got.addr, got.Any, got.Prefix)
	}
	if got.Type != original.Type {
		t.Errorf("type = %v, want the same", got.Type)
	}
	if got.Zone != time.Local || got.zone != time.UTC {
		t.Errorf("locations %v and %v are copies of time.Local and time.UTC", got.Zone, got.zone)
	}
	if got.At == original.At || *got.At != now {
		t.Errorf("time behind a pointer = %v, want a copy of %v", got.At, now)
	}
}

// The limits that the comment of DeepCopy names.
func TestDeepCopyLimits(t *testing.T) {
	t.Run("functions stay shared", func(t *testing.T) {
		n := 0
		value := struct {
			F  func() int
			f  func() int
			Fs []func() int
			M  map[string]any
		}{F: func() int { n++; return n }}
		value.f, value.Fs, value.M = value.F, []func() int{value.F}, map[string]any{"f": value.F}
		got := deepCopy(value)
		if a, b, c, d := got.F(), got.f(), got.Fs[0](), got.M["f"].(func() int)(); a+b+c+d != 1+2+3+4 {
			t.Errorf("the functions returned %d, %d, %d, %d, want 1, 2, 3, 4", a, b, c, d)
		}
	})
	t.Run("channels are new", func(t *testing.T) {
		both := make(chan int, 3)
		both <- 1
		value := struct {
			Both    chan int
			Receive <-chan int
			send    chan<- int
			any     any
		}{both, both, both, (<-chan int)(both)}
		got := deepCopy(value)
		if got.Both == both || len(got.Both) != 0 || cap(got.Both) != 3 {
			t.Errorf("channel with %d of %d elements, want a new one with 0 of 3", len(got.Both), cap(got.Both))
		}
		if got.Receive == nil || len(got.Receive) != 0 || cap(got.send) != 3 || len(got.any.(<-chan int)) != 0 {
			t.Error("a channel of one direction is not a new one")
		}
		if len(both) != 1 {
			t.Error("the original was read")
		}
	})
	t.Run("locks are unused, atomics keep their contents", func(t *testing.T) {
		type guarded struct {
			mu     sync.Mutex
			shared *sync.RWMutex
			n      atomic.Int64
			v      atomic.Value
			p      atomic.Pointer[int]
			m      sync.Map
			once   sync.Once
		}
		value := &guarded{shared: &sync.RWMutex{}}
		value.mu.Lock()
		value.shared.Lock()
		value.n.Store(5)
		value.v.Store("v")
		value.p.Store(new(int))
		value.m.Store("k", 1)
		value.once.Do(func() {})

		got := deepCopy(value)
		if !got.mu.TryLock() || !got.shared.TryLock() {
			t.Error("a lock of the copy is locked")
		}
		if got.n.Load() != 5 || got.v.Load() != "v" {
			t.Errorf("atomics = %v, %v, want 5, v", got.n.Load(), got.v.Load())
		}
		if got.p.Load() != value.p.Load() {
			t.Error("what an atomic.Pointer refers to is not shared")
		}
		got.once.Do(func() { t.Error("the copied Once does it again") })
		if n, _ := got.m.Load("k"); n != 1 {
			t.Errorf("map holds %v, want 1", n)
		}
		got.m.Store("l", 2)
		if _, ok := value.m.Load("l"); ok {
			t.Error("the copied map is the original")
		}
	})
	t.Run("errors are no longer the same", func(t *testing.T) {
		sentinel := errors.New("sentinel")
		got := deepCopy(struct{ Err error }{sentinel})
		if got.Err.Error() != "sentinel" || errors.Is(got.Err, sentinel) {
			t.Errorf("error %v, errors.Is %v, want the same text and false", got.Err, errors.Is(got.Err, sentinel))
		}
	})
	t.Run("a long list", func(t *testing.T) {
		type node struct{ next *node }
		var list *node
		for range 10_000 {
			list = &node{list}
		}
		n := 0
		for at := deepCopy(list); at != nil; at = at.next {
			n++
		}
		if n != 10_000 {
			t.Errorf("the copy has %d nodes, want 10000", n)
		}
	})
}

// Many goroutines copy one value that was never copied before. With the race detector this shows that a copy only reads.
func TestDeepCopyOfOneValueConcurrently(t *testing.T) {
	type unseen struct {
		profile
		Locks map[string]*sync.Mutex
		N     *atomic.Int32
		Loop  *unseen
	}
	value := &unseen{profile: newProfile(), Locks: map[string]*sync.Mutex{"a": {}}, N: &atomic.Int32{}}
	value.Loop = value
	want := newProfile()
	processor := postprocess.DeepCopy[*unseen]()

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				got := processor.Apply(value)
				if !reflect.DeepEqual(want, got.profile) || got.Loop != got {
					t.Errorf("copy = %+v, want %+v in a loop", got.profile, want)
					return
				}
				got.spoil()
			}
		})
	}
	wg.Wait()
}

// node is a graph with edges of every kind.
type node struct {
	ID     int
	Next   *node
	inner  *node
	List   []*node
	ByName map[string]*node
	Any    any
	Shared *[]int
	Own    *int // points to ID
}

func (n *node) edges() []*node {
	edges := []*node{n.Next, n.inner}
	edges = append(edges, n.List...)
	for i := range 3 {
		edges = append(edges, n.ByName[fmt.Sprint(i)])
	}
	if other, ok := n.Any.(*node); ok {
		edges = append(edges, other)
	}
	return edges
}

func TestDeepCopyKeepsTheShapeOfGraphs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := make([]*node, rapid.IntRange(1, 7).Draw(t, "nodes"))
		shared := []int{1, 2, 3}
		for i := range nodes {
			nodes[i] = &node{ID: i}
		}
		pick := rapid.Custom(func(t *rapid.T) *node {
			if i := rapid.IntRange(-1, len(nodes)-1).Draw(t, "node"); i >= 0 {
				return nodes[i]
			}
			return nil
		})
		for _, n := range nodes {
			n.Next, n.inner = pick.Draw(t, "next"), pick.Draw(t, "inner")
			n.List = rapid.SliceOfN(pick, 0, 3).Draw(t, "list")
			if rapid.Bool().Draw(t, "named") {
				n.ByName = map[string]*node{"0": pick.Draw(t, "0"), "1": pick.Draw(t, "1")}
			}
			switch rapid.IntRange(0, 3).Draw(t, "any") {
			case 0:
				n.Any = pick.Draw(t, "any node")
			case 1:
				n.Any = []*node{pick.Draw(t, "any list")}
			case 2:
				n.Any = n.ID
			}
			if rapid.Bool().Draw(t, "shares") {
				n.Shared = &shared
			}
			if rapid.Bool().Draw(t, "owns") {
				n.Own = &n.ID
			}
		}

		original := nodes[0]
		got := deepCopy(original)
		if !reflect.DeepEqual(original, got) {
			t.Fatal("the copy does not equal the original")
		}
		// One copy for each node, and none that is a node of the original.
		copies, originals := map[*node]*node{}, map[*node]*node{}
		var walk func(a, b *node)
		walk = func(a, b *node) {
			if a == nil || b == nil {
				if a != b {
					t.Fatal("one of two nodes is nil")
				}
				return
			}
			if seen, ok := copies[a]; ok {
				if seen != b {
					t.Fatalf("node %d has two copies", a.ID)
				}
				return
			}
			if _, ok := originals[b]; ok || b == a {
				t.Fatalf("the copy of node %d is also that of another, or the node itself", a.ID)
			}
			copies[a], originals[b] = b, a
			if a.Shared != nil && a.Shared == b.Shared {
				t.Fatalf("node %d and its copy share a slice", a.ID)
			}
			if a.Own != nil && (b.Own == &a.ID || *b.Own != a.ID) {
				t.Fatalf("a pointer into node %d is not copied", a.ID)
			}
			ea, eb := a.edges(), b.edges()
			for i := range ea {
				walk(ea[i], eb[i])
			}
		}
		walk(original, got)
		var first *[]int
		for _, b := range copies {
			if b.Shared != nil && first == nil {
				first = b.Shared
			}
			if b.Shared != nil && b.Shared != first {
				t.Fatal("what was shared within the original is not shared within the copy")
			}
		}
	})
}
