package sink

import (
	"bytes"
	"context"
	"strings"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

// Examiner is what a backend implements beside [Sink] to say more about its
// storage to packseal doctor than [Try] finds out.
type Examiner interface {
	// Examine tries the storage live. It leaves nothing behind but the probe
	// object of Try, however often it is called.
	Examine(ctx context.Context) []diag.Result
}

// Examine has the backend examine itself, or tries its three methods alone.
func Examine(ctx context.Context, s Sink) []diag.Result {
	if e, ok := s.(Examiner); ok {
		return e.Examine(ctx)
	}
	return Try(ctx, s, ProbeKey(""))
}

// probeBase is what the keys of all probe objects begin with. No slot has such
// a key: theirs have more elements.
const probeBase = "packseal-doctor/probe"

// probeText is what every probe object holds. It must never change: objects
// that earlier versions wrote would no longer be the same bytes.
const probeText = "This object was written by packseal doctor, to see that objects can be written here once and are never replaced.\n" +
	"It is no evidence, and nothing needs it: it may be deleted at any time.\n"

// ProbeKey is the key of the one object that doctor writes to a sink: the same
// at each run, because what is written once stays. The terms name what the
// storage attaches to an object when it is written, such as a retention, so
// that other terms are tried on another object; they are of a-z, 0-9 and "-".
func ProbeKey(terms string) string {
	if terms != "" {
		terms = "-" + terms
	}
	return probeBase + terms + ".txt"
}

// IsProbe reports whether key is that of a probe object.
func IsProbe(key string) bool {
	terms, ok := strings.CutPrefix(key, probeBase)
	terms, txt := strings.CutSuffix(terms, ".txt")
	odd := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	return ok && txt && (terms == "" || terms[0] == '-') && !strings.ContainsFunc(terms, odd)
}

// Probe is the content of every probe object.
func Probe() Content { return Bytes([]byte(probeText)) }

// Try holds s to the contract of [Sink] with the probe object under key. It
// ends with the first result that is bad.
func Try(ctx context.Context, s Sink, key string) (results []diag.Result) {
	for _, try := range []func(context.Context, Sink, string) diag.Result{tryPut, tryRead, tryList, tryReplace} {
		r := try(ctx, s, key)
		if results = append(results, r); r.State == diag.Bad {
			break
		}
	}
	return results
}

func tryPut(ctx context.Context, s Sink, key string) diag.Result {
	err := s.Put(ctx, key, Probe())
	switch {
	case err == nil:
		return diag.OK("put", "the probe object %s is kept", key)
	case fault.Of(err) == fault.Conflict:
		return diag.Fail("put", err).WithHint("somebody altered the probe object, or keeps something else under this key: move it away; it is no evidence")
	}
	return diag.Fail("put", err)
}

func tryRead(ctx context.Context, s Sink, key string) diag.Result {
	b, err := ReadAll(ctx, s, key, int64(len(probeText)))
	if err == nil && !bytes.Equal(b, []byte(probeText)) {
		err = fault.New(fault.Damaged, "%s is read as other bytes than were put", key)
	}
	if err != nil {
		return diag.Fail("read-back", err)
	}
	return diag.OK("read-back", "the same bytes")
}

func tryList(ctx context.Context, s Sink, key string) diag.Result {
	for e, err := range s.List(ctx, key, "") {
		switch {
		case err != nil:
			return diag.Fail("list", err)
		case e.Key == key && e.Size == int64(len(probeText)):
			return diag.OK("list", "the probe object is listed")
		}
	}
	return diag.Fail("list", fault.New(fault.Damaged, "%s is put and read, but not listed", key))
}

// tryReplace puts the same bytes again, which must succeed, and others, which
// must not.
func tryReplace(ctx context.Context, s Sink, key string) diag.Result {
	if err := s.Put(ctx, key, Probe()); err != nil {
		return diag.Fail("write-once", err)
	}
	switch err := s.Put(ctx, key, Bytes([]byte(strings.ToUpper(probeText)))); {
	case err == nil:
		return diag.Fail("write-once", fault.New(fault.Conflict, "other bytes were taken for %s: this is no write-once storage", key))
	case fault.Of(err) != fault.Conflict:
		return diag.Fail("write-once", err)
	}
	return diag.OK("write-once", "the same bytes are taken again, others are refused")
}
