package config

import (
	"reflect"

	"packseal.example/config/strictyaml"
	"packseal.example/fetcher"
	"packseal.example/internal/fault"
	"packseal.example/notify"
	"packseal.example/sink"
)

// Opener returns the source's backend, or nil unless exactly one is set.
func (s Source) Opener() fetcher.Opener {
	_, o := chosen[fetcher.Opener](s)
	if s.parent != nil {
		return memberOpener{o, s.parent}
	}
	return o
}

// Opener returns the sink's backend, or nil unless exactly one is set.
func (s Sink) Opener() sink.Opener {
	_, o := chosen[sink.Opener](s)
	return o
}

// Opener returns the channel's backend, or nil unless exactly one is set.
func (n Notice) Opener() notify.Opener {
	_, o := chosen[notify.Opener](n)
	return o
}

// Shared reports whether other replicas may work on the same queue.
func (q Queue) Shared() bool { return q.NATS != nil || q.Embedded != nil && q.Embedded.Cluster != nil }

// chosen returns the keys of the backends that the entry sets, and, when that
// is one, the backend itself. T is what backends of its kind implement.
func chosen[T any](entry any) (keys []string, backend T) {
	v := reflect.ValueOf(entry)
	var found reflect.Value
	for key, i := range backends(v.Type()) {
		if f := v.Field(i); !f.IsNil() {
			keys, found = append(keys, key), f
		}
	}
	if len(keys) == 1 {
		backend, _ = found.Interface().(T)
	}
	return keys, backend
}

// backend is what every backend checks by itself.
type backend interface{ Check() []fault.Problem }

// backends yields the keys and indices of the fields in the entry's type that are
// backends, as pointers.
func backends(entry reflect.Type) func(yield func(string, int) bool) {
	return func(yield func(string, int) bool) {
		for key, i := range strictyaml.Fields(entry) {
			if entry.Field(i).Type.Implements(reflect.TypeFor[backend]()) && !yield(key, i) {
				return
			}
		}
	}
}
