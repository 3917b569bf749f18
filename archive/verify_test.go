package archive_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// unlisted is a sink that does not say what it holds.
type unlisted struct{ sink.Sink }

func (unlisted) List(context.Context, string, string) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		yield(sink.Entry{}, fault.New(fault.SinkUnavailable, "turned off"))
	}
}

// TestVerifyOneSinkDown: what can't be read does not hide what is wrong with
// the rest, and does not pass for unmirrored.
func TestVerifyOneSinkDown(t *testing.T) {
	t.Parallel()
	first, second := unlisted{sink.NewMemory()}, sink.NewMemory()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: first}, archive.Target{Name: "b", Sink: second})
	if _, err := h.Seal(t.Context(), slot("cp-1", due()), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := second.Put(t.Context(), "stray", sink.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	result, err := h.Verify(t.Context())
	if fault.Of(err) != fault.SinkUnavailable {
		t.Errorf("got %v, want the sink that is down", err)
	}
	if result.Sealed != 1 || len(result.Problems) != 1 || result.Problems[0].Kind != archive.Orphaned || result.Problems[0].Sink != "b" {
		t.Errorf("got %+v, want one sealed slot and the stray object of b", result)
	}
}
