package sink

import (
	"bytes"
	"context"
	"strings"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

// Examiner is implemented by a backend whose storage packseal doctor can check
// beyond what [Try] does.
type Examiner interface {
	// Examine checks the storage live. It leaves nothing behind but the probe
	// object of Try and those of [ListingKeys], however often it is called.
	Examine(ctx context.Context) []diag.Result
}

// Examine calls the Examine method of the backend, or else Try.
func Examine(ctx context.Context, s Sink) []diag.Result {
	if e, ok := s.(Examiner); ok {
		return e.Examine(ctx)
	}
	return Try(ctx, s, ProbeKey(""))
}

// probeBase is the beginning of the keys of probe objects. It is no key of a
// slot; those have more elements.
const probeBase = "packseal-doctor/probe"

// probeText is the content of every probe object. It must never change, because
// earlier versions have written it.
const probeText = "This object was written by packseal doctor, to see that objects can be written here once and are never replaced.\n" +
	"It is no evidence, and nothing needs it: it may be deleted at any time.\n"

// ProbeKey returns the key of the object that doctor writes to a sink. It is the
// same on each run, because objects cannot be deleted. The terms, of a-z, 0-9
// and "-", name what the storage attaches to an object when it is written, such
// as a retention: each configuration has a probe object of its own.
func ProbeKey(terms string) string {
	if terms != "" {
		terms = "-" + terms
	}
	return probeBase + terms + ".txt"
}

// listingBase is the beginning of the keys of ListingKeys.
const listingBase = "packseal-doctor/listing"

// listingEnds are the ends of those keys, in byte order. A store that lists folder
// by folder has them in another one.
var listingEnds = []string{"/a-/x.txt", "/a/x.txt", "/a/y.txt"}

// ListingKeys returns the keys, in byte order, of probe objects that show how
// storage lists. The terms are those of ProbeKey.
func ListingKeys(terms string) (keys []string) {
	if terms != "" {
		terms = "-" + terms
	}
	for _, end := range listingEnds {
		keys = append(keys, listingBase+terms+end)
	}
	return keys
}

// IsProbe reports whether key is that of a probe object.
func IsProbe(key string) bool {
	for _, end := range append(listingEnds, ".txt") {
		base := listingBase
		if end == ".txt" {
			base = probeBase
		}
		terms, ok := strings.CutPrefix(key, base)
		terms, whole := strings.CutSuffix(terms, end)
		invalid := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
		if ok && whole && (terms == "" || terms[0] == '-') && !strings.ContainsFunc(terms, invalid) {
			return true
		}
	}
	return false
}

// Probe returns the content of every probe object.
func Probe() Content { return Bytes([]byte(probeText)) }

// Try checks the contract of [Sink] with the probe object under key. It stops
// after the first bad result.
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
		return diag.OK("put", "the probe object %s is stored", key)
	case fault.Of(err) == fault.Conflict:
		return diag.Fail("put", err).WithHint("the probe object was altered, or something else is stored under its key: move it away; it is not evidence")
	}
	return diag.Fail("put", err)
}

func tryRead(ctx context.Context, s Sink, key string) diag.Result {
	b, err := ReadAll(ctx, s, key, int64(len(probeText)))
	if err == nil && !bytes.Equal(b, []byte(probeText)) {
		err = fault.New(fault.Damaged, "%s does not have the content that was put", key)
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
	return diag.Fail("list", fault.New(fault.Damaged, "%s was put and read, but is not listed", key))
}

// tryReplace puts the same content again, which must succeed, and other content,
// which must fail.
func tryReplace(ctx context.Context, s Sink, key string) diag.Result {
	if err := s.Put(ctx, key, Probe()); err != nil {
		return diag.Fail("write-once", err)
	}
	switch err := s.Put(ctx, key, Bytes([]byte(strings.ToUpper(probeText)))); {
	case err == nil:
		return diag.Fail("write-once", fault.New(fault.Conflict, "other content was accepted for %s: this storage is not write-once", key))
	case fault.Of(err) != fault.Conflict:
		return diag.Fail("write-once", err)
	}
	return diag.OK("write-once", "the same content is accepted again, other content is refused")
}
