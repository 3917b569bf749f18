package s3

import (
	"slices"
	"strings"
	"testing"

	"packseal.example/internal/diag"
)

// The way in which a store lists is told, with a hint for the stores that are known
// for theirs.
func TestExamineListing(t *testing.T) {
	t.Parallel()
	byFolder := func(keys []string) { // a/x, a/y, a-/x
		slices.SortFunc(keys, func(x, y string) int { return slices.Compare(strings.Split(x, "/"), strings.Split(y, "/")) })
	}
	for name, c := range map[string]struct {
		listing
		says, hint string // says: of a good result
	}{
		"good":                  {says: "in byte order"},
		"folder by folder":      {listing: listing{order: byFolder}, says: "folder by folder"},
		"ignores start-after":   {listing: listing{ignore: "start-after"}, says: "in byte order"}, // more requests, and no harm
		"ignores max-keys":      {listing: listing{ignore: "max-keys"}, says: "in byte order"},
		"reversed":              {listing: listing{order: slices.Reverse[[]string]}, hint: "docs/storage.md"},
		"begins again":          {listing: listing{ignore: "continuation-token"}, hint: "continuation tokens"},
		"reversed by SeaweedFS": {listing: listing{order: slices.Reverse[[]string], server: "SeaweedFS 30GB 3.80"}, hint: "SeaweedFS is known"},
		"reversed by versitygw": {listing: listing{order: slices.Reverse[[]string], server: "VERSITYGW"}, hint: "upgrade versitygw"},
		"again by versitygw":    {listing: listing{ignore: "continuation-token", server: "VERSITYGW"}, hint: "upgrade versitygw"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.lists = c.listing
			for range 2 {
				_, by := examine(t, f.open(t, nil))
				r := by["listing"]
				if good := r.State == diag.Good; good != (c.says != "") || !strings.Contains(r.Detail, c.says) || !strings.Contains(r.Hint, c.hint) {
					t.Errorf("got %+v", r)
				}
			}
		})
	}
	s := newFake(t).open(t, func(o *Options) { o.Bucket = "evidence--use1-az4--x-s3" })
	if hint := s.listingHint(t.Context(), "x"); !strings.Contains(hint, "S3 Express") {
		t.Errorf("hint %q", hint)
	}
}
