package archive

import (
	"fmt"
	"path"
	"strings"
	"time"

	"packseal.example/fetcher"
	"packseal.example/scheduler"
)

// The layout, the same in every sink, below the sink's own prefix:
//
//	<source>/<pack>/<yyyy>/<mm>/<yyyymmddThhmmssZ>/
//	    report-<first 12 hex digits of its SHA-256>.<ext>
//	    manifest.json   written last: the slot is sealed
//	    gap.json        the slot has no report, and why
//
// <pack> is "cp-…", or "ca-…/cp-…" for an account group's; times are UTC and
// those of the slot. A slot that has a manifest is sealed, whatever gap.json says.
//
// Beside the sources' folders there can be packseal-doctor/, where a probe
// object of packseal doctor is (see [sink.ProbeKey]): no evidence.
const (
	manifestName = "manifest.json"
	gapName      = "gap.json"
)

// packDir returns where a pack's slots are, with the closing slash.
func packDir(source, pack string) string { return source + "/" + pack + "/" }

// slotDir returns where a slot's objects are, with the closing slash.
func slotDir(s scheduler.Slot) string {
	due := s.Due.UTC()
	return packDir(s.Source, s.Pack) + due.Format("2006/01/") + due.Format(scheduler.DueFormat) + "/"
}

// objectName returns the content-addressed name of a report within its slot.
func objectName(r fetcher.Report) string { return fmt.Sprintf("report-%.12s.%s", r.SHA256, r.Ext()) }

// parseKey takes a key apart into its slot and the name within the slot, and
// reports whether it is one of the layout's.
func parseKey(key string) (s scheduler.Slot, name string, ok bool) {
	part := strings.Split(key, "/")
	n := len(part)
	if n < 6 || n > 7 {
		return s, "", false
	}
	due, err := time.Parse(scheduler.DueFormat, part[n-2])
	if err != nil {
		return s, "", false
	}
	s = scheduler.Slot{Source: part[0], Pack: path.Join(part[1 : n-4]...), Due: due}
	return s, part[n-1], slotDir(s)+part[n-1] == key
}

// slotOf returns the slot of a pack that fell due then.
func slotOf(p fetcher.Pack, due time.Time) scheduler.Slot {
	return scheduler.Slot{Source: p.Source, Pack: p.Key(), Due: due.UTC()}
}
