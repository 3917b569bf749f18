package bucket

import (
	"context"
	"iter"
	"slices"
	"strings"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Lister is a sink that lists in pages of any size.
type Lister interface {
	sink.Sink
	// ListPages is List, in pages of at most that many objects; 0 is as many as the
	// store likes.
	ListPages(ctx context.Context, prefix, after string, page int32) iter.Seq2[sink.Entry, error]
}

// CheckListing lists probe objects in pages of one, which shows whether the store
// goes on where a page ends, and in which order it lists. The terms are those of
// [sink.ProbeKey]. hint returns what to do about a store that does not list as it
// should, or what it is given if the store is not known to.
func CheckListing(ctx context.Context, s Lister, terms string, hint func(otherwise string) string) diag.Result {
	const check = "listing"
	keys := sink.ListingKeys(terms)
	for _, key := range keys {
		if err := s.Put(ctx, key, sink.Probe()); err != nil {
			return diag.Fail(check, err)
		}
	}
	dir := strings.TrimSuffix(keys[0], "-/x.txt")
	all, err := names(s.ListPages(ctx, dir, "", 1))
	if err != nil {
		return diag.Fail(check, err).WithHint("%s", hint(fault.Hint(err)))
	}
	rest, err := names(s.ListPages(ctx, dir, keys[1], 0))
	if err != nil {
		return diag.Fail(check, err)
	}
	byFolder := append(slices.Clone(keys[1:]), keys[0])
	const needed = "packseal needs a store that lists all keys, page by page and in byte order: see docs/storage.md"
	fail := func(format string, args ...any) diag.Result {
		return diag.Fail(check, fault.New(fault.SinkUnavailable, format, args...)).WithHint("%s", hint(needed))
	}
	switch {
	case !slices.Equal(slices.Sorted(slices.Values(all)), keys):
		return fail("in pages of one, the store lists %q of %q", all, keys)
	case !slices.Equal(rest, keys[2:]):
		return fail("after %s, the store lists %q, not %q", keys[1], rest, keys[2:])
	case slices.Equal(all, keys):
		return diag.OK(check, "all keys, page by page, in byte order")
	case slices.Equal(all, byFolder):
		return diag.OK(check, "all keys, page by page; folder by folder instead of in byte order, which packseal copes with")
	}
	return fail("the store lists %q, which is neither in byte order nor folder by folder", all)
}

// names returns the keys of a listing.
func names(listing iter.Seq2[sink.Entry, error]) (keys []string, err error) {
	for e, err := range listing {
		if err != nil {
			return nil, err
		}
		keys = append(keys, e.Key)
	}
	return keys, nil
}
