// Package evidence defines what an archive holds: the [Slot] that names a piece
// of evidence, the records that settle it ([Manifest], [Gap]), those that
// acknowledge what is wrong with it ([Ack]), the [Plan] by which it is owed,
// their schemas and their keys. It reads and writes bytes, and knows neither
// sinks nor sources.
//
// # Keys
//
// The same in every sink, below the sink's own prefix:
//
//	<source>/<pack>/<yyyy>/<mm>/<yyyymmddThhmmssZ>/
//	    report-<first 12 hex digits of its SHA-256>.<ext>
//	    manifest.json   written last: the slot is sealed
//	    gap.json        the slot has no report, and why
//	    ack-<when>.json the gap, or a problem, was acknowledged
//
// <source> is the source's name in the configuration, or <name>.<account ID>
// for a member account of a Resource Directory. <pack> is one of
//
//	cp-…  ca-…/cp-…     a compliance pack, of an account or of an account group
//	rules  ca-…/rules   the report of all rules
//	crt-…               a report template
//	inventory  ca-…/inventory   the resource inventory
//
// Times are UTC and those of the slot. A slot that has a manifest is sealed,
// whatever gap.json says. Roots that begin with "packseal-" are reserved for
// packseal's own objects; no source can have such a name:
//
//	packseal-ledger/plan/<since>-<12 hex digits>.json   see [Plan]
//	packseal-ledger/slate/<until>-<12 hex digits>.json  see [Slate]
//	packseal-ledger/policy/<12 hex digits>.json         see [Policy]
//	packseal-ledger/key/<12 hex digits>.json            see [NextKey]
//	packseal-ledger/epoch/<12 hex digits>.json          see [Epoch]
//
// # Records
//
// A record is canonical JSON (RFC 8785): one record has one form and one digest.
// Its schema is "packseal.<record>/v<version>". See [Decode] for what becomes of
// schemas that this program does not know.
package evidence
