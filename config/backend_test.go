package config

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig"
	"packseal.example/internal/fault"
	"packseal.example/notify"
	"packseal.example/notify/dingtalk"
	"packseal.example/notify/feishu"
	"packseal.example/notify/ping"
	"packseal.example/notify/webhook"
	"packseal.example/notify/wecom"
	"packseal.example/sink"
	"packseal.example/sink/local"
	"packseal.example/sink/oss"
	"packseal.example/sink/s3"
)

var (
	_ fetcher.Opener = (*cloudconfig.Options)(nil)
	_ sink.Opener    = (*local.Options)(nil)
	_ sink.Opener    = (*oss.Options)(nil)
	_ sink.Opener    = (*s3.Options)(nil)
	_ notify.Opener  = (*dingtalk.Options)(nil)
	_ notify.Opener  = (*feishu.Options)(nil)
	_ notify.Opener  = (*ping.Options)(nil)
	_ notify.Opener  = (*webhook.Options)(nil)
	_ notify.Opener  = (*wecom.Options)(nil)
)

// fake is a backend with given problems.
type fake struct{ problems []fault.Problem }

func (f *fake) Check() []fault.Problem { return f.problems }

// entry is a one-of like Source and Sink.
type entry struct {
	Name string `yaml:"name"`
	A    *fake  `yaml:"a"`
	B    *fake  `yaml:"b"`
}

func TestChosen(t *testing.T) {
	t.Parallel()
	a, b := &fake{}, &fake{}
	for _, tc := range []struct {
		entry entry
		keys  []string
		want  *fake
	}{
		{entry{Name: "none"}, nil, nil},
		{entry{A: a}, []string{"a"}, a},
		{entry{B: b}, []string{"b"}, b},
		{entry{A: a, B: b}, []string{"a", "b"}, nil},
	} {
		keys, got := chosen[*fake](tc.entry)
		if diff := cmp.Diff(tc.keys, keys); diff != "" || got != tc.want {
			t.Errorf("%+v: got %p, want %p; %s", tc.entry, got, tc.want, diff)
		}
	}
}

func TestProblemsOfABackendGetTheWholePath(t *testing.T) {
	t.Parallel()
	k := &checker{Config: &Config{}}
	k.backend("sinks[2]", entry{B: &fake{[]fault.Problem{
		{Path: "sse.type", Message: "x"}, {Path: "", Message: "y", Warning: true},
	}}}, true)
	want := []fault.Problem{{Path: "sinks[2].b.sse.type", Message: "x"}, {Path: "sinks[2].b", Message: "y", Warning: true}}
	if diff := cmp.Diff(want, k.problems); diff != "" {
		t.Error(diff)
	}
}

// Each backend of an entry is a pointer with a key, so that chosen sees it.
func TestEntriesHaveBackends(t *testing.T) {
	t.Parallel()
	for _, typ := range []reflect.Type{reflect.TypeFor[Source](), reflect.TypeFor[Sink](), reflect.TypeFor[Notice]()} {
		n := 0
		for range backends(typ) {
			n++
		}
		if n == 0 {
			t.Errorf("%s has no backend", typ)
		}
	}
	c := parse(t, minimal)
	if o := c.Sources["prod"].Opener(); o == nil || o.Bounds().MaxInFlight != 64 {
		t.Errorf("the source opens as %v", o)
	}
	if (Source{}).Opener() != nil || (Sink{Name: "x"}).Opener() != nil || (Notice{Name: "x"}).Opener() != nil {
		t.Error("an entry without a backend has one")
	}
}
