package archive_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"hash/crc64"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// labelled notes what it is told about objects, by the ends of their keys.
type labelled struct {
	sink.Sink
	about map[string]sink.About
}

func (s labelled) Put(ctx context.Context, key string, c sink.Content) error {
	s.about[key[strings.LastIndexByte(key, '.'):]+key[strings.LastIndexByte(key, '/'):][:3]] = c.About
	return s.Sink.Put(ctx, key, c)
}

// summed notes the sums of what is put, by its SHA-256.
type summed struct {
	sink.Sink
	sums map[[32]byte]*sink.Sums
}

func (s summed) Put(ctx context.Context, key string, c sink.Content) error {
	s.sums[c.SHA256] = c.Sums
	return s.Sink.Put(ctx, key, c)
}

// TestSums: a sink is told the sums of a report, so that it need not reckon them.
func TestSums(t *testing.T) {
	t.Parallel()
	store := summed{sink.NewMemory(), make(map[[32]byte]*sink.Sums)}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: store})
	h.settle(t, due())
	known := 0
	for e, err := range store.List(t.Context(), "prod/", "") {
		if err != nil {
			t.Fatal(err)
		}
		b, err := sink.ReadAll(t.Context(), store, e.Key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if sums := store.sums[sha256.Sum256(b)]; sums != nil {
			known++
			if sums.MD5 != md5.Sum(b) || sums.CRC64 != crc64.Checksum(b, crc64.MakeTable(crc64.ECMA)) {
				t.Errorf("%s: got %+v", e.Key, sums)
			}
		}
	}
	if known != 1 {
		t.Errorf("the sums of %d objects were known", known)
	}
}

// TestAbout: whatever is put into a sink has a name for people and a type; what is of
// a slot has the day in the pack's zone in its name.
func TestAbout(t *testing.T) {
	t.Parallel()
	store := labelled{sink.NewMemory(), make(map[string]sink.About)}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: store})
	o := h.Options
	o.Packs = []evidence.Pack{{PackRef: evidence.Ref("prod", "cp-1"), Name: "等保 3", Zone: "Pacific/Kiritimati"}} // 14 hours ahead
	h.open(t, o)
	at := due()
	h.settle(t, at)
	if err := h.Gap(t.Context(), slot("cp-1", at.AddDate(0, 0, -1)), fault.Missed, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Acknowledge(t.Context(), evidence.Ack{Source: "prod", Pack: "cp-1", Due: at.AddDate(0, 0, -1), Who: "a", Why: "b"}); err != nil {
		t.Fatal(err)
	}
	plan, err := evidence.NewPlan([]evidence.PlannedPack{{Source: "prod", Pack: "cp-1", Schedule: "@daily", Zone: "UTC"}}, at, "packseal/test")
	if err == nil {
		err = h.PutPlan(t.Context(), plan[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	planKey, _, _ := plan[0].Encode() //nolint:errcheck // PutPlan would have failed
	zone := o.Packs[0].Location()
	name := func(days int, ext string) string {
		return at.AddDate(0, 0, days).In(zone).Format("2006-01-02") + " 等保 3 (cp-1)." + ext
	}
	facts := func(days int) map[string]string {
		return map[string]string{"pack": "cp-1", "name": "等保 3", "due": at.AddDate(0, 0, days).Format("2006-01-02T15:04:05Z")}
	}
	want := map[string]sink.About{
		".xls/re":                         {Type: "application/vnd.ms-excel", Name: name(0, "xls"), Facts: facts(0)},
		".json/ma":                        {Type: "application/json", Name: name(0, "manifest.json"), Facts: facts(0)},
		".json/ga":                        {Type: "application/json", Name: name(-1, "gap.json"), Facts: facts(-1)},
		".json/ac":                        {Type: "application/json", Name: name(-1, "ack.json"), Facts: facts(-1)},
		".json/" + path.Base(planKey)[:2]: {Type: "application/json", Name: path.Base(planKey)},
	}
	if diff := cmp.Diff(want, store.about); diff != "" {
		t.Error(diff)
	}
}
