// Package archive is the evidence record: which reports are sealed, which
// slots are gaps, and whether what was kept is still what was sealed.
//
// The sinks are the truth, and there is no other: no database says what has
// been archived. A slot comes to its end in this order, and wherever that is
// broken off, by a crash or a loss of power, what is there is enough to go on:
//
//	spool: ticket      the report is asked for; a restart waits for the same one
//	spool: body        complete and checked; a restart does not fetch it again
//	spool: draft       the manifest; a restart writes the very same bytes
//	sink:  report      under a name that follows from its bytes
//	sink:  manifest    the commit: from here on the slot is sealed
//	spool: removed     when every sink has both
//
// A report without a manifest is therefore a leftover, which the next try
// either completes or leaves to [Archive.Verify] to be found. A manifest
// without its report can't come about, other than by harm.
//
// Two archivers that work on one slot, in two replicas or by hand beside a
// daemon, meet at the manifest: its key is the same for both, and the sink
// takes one. The other reads that one back and makes it its own.
package archive

import "packseal.example/internal/evidence"

// What the archive keeps; see package evidence.
type (
	State    = evidence.State
	Record   = evidence.Record
	Manifest = evidence.Manifest
	Gap      = evidence.Gap
)

// The two ends of a slot.
const (
	Sealed = evidence.Sealed
	Gapped = evidence.Gapped
)
