// Package audit verifies bundles: zip files that hold what a ledger promised and
// kept within a period, so that somebody who has the ledger's verifier key, and
// trusts nobody, can check them offline. It knows no storage, no configuration, no
// clock and no network.
//
// # Bundles
//
// A bundle has the entries [a,b) of the ledger. a is the size of the last stamped
// checkpoint before the period, or of an earlier one, so that the slates that cover the
// period are among the entries: they were written a day ahead. b is the size of a
// stamped checkpoint after the period.
//
//	index.html statement.json VERIFY.en.txt VERIFY.zh.txt verify.py prove.sh
//	ledger/edge                 "size <a>", and a line "edge <base64>" for each hash of the edge of [0,a)
//	ledger/leaves               the entries [a,b), one a line: a file of SHA-256 sums
//	checkpoints/<N>             every checkpoint within [a,b] that has an anchor, and the last one
//	checkpoints/<N>.<tsa>.tsr   a token over it, by the authority of that name
//	checkpoints/<N>.cosig       signature lines of witnesses
//	records/<yyyy-mm>.jsonl     the records of slots that were due in that month, UTC, one a line
//	records/ledger.jsonl        the ledger's own records
//	proofs/<12 hex>.tlog-proof  proves an entry before a; see below
//	reports/<archive key>       the reports, or some of them
//	keys/                       for information: an auditor takes keys from elsewhere
//
// The plan and the policy that were in force at a may be older than the entries. The
// plan's record is in records/ledger.jsonl all the same: the first slate names its
// SHA-256. Where a plan is in parts, and for a policy, there is a C2SP tlog-proof for
// each record, under the first 12 hex digits of its SHA-256, by a checkpoint of the
// bundle.
//
// Since all entries between a and b are there, the root at every size in [a,b] is
// recomputed, and each checkpoint is held against it.
//
// # Statements
//
// A [Statement] says what was due within a period and what became of it. [Compute]
// makes it, from a bundle or from the ledger itself; a statement that comes in a
// bundle is a claim, which is compared and not believed.
package audit
