// Package audit verifies bundles: zip files that hold what a ledger promised and
// kept within a period, so that somebody who has the ledger's verifier key, and
// trusts nobody, can check them offline. It knows no storage, no configuration, no
// clock and no network.
//
// # Bundles
//
// A bundle has the entries [a,b) of the ledger. a is the size of the last stamped
// checkpoint before the first slate that reaches into the period, and before the records
// of the plan and the policy that were in force when it begins. b is the size of the
// first stamped checkpoint after the period that has a record of all that was due, or
// else of the last stamped one. Of a ledger that is not stamped a bundle has all.
//
//	index.html statement.json VERIFY.en.txt VERIFY.zh.txt verify.py prove.sh
//	ledger/edge                 "size <a>", and a line "edge <base64>" for each hash of the edge of [0,a)
//	ledger/leaves               the entries [a,b), one a line: a file of SHA-256 sums
//	checkpoints/<N>             every checkpoint within [a,b] that has an anchor, and the last one
//	checkpoints/<N>.<tsa>.tsr   a token over it, by the authority of that name
//	checkpoints/<N>.cosig       signature lines of witnesses
//	records/<yyyy-mm>.jsonl     the records of slots that were due in that month, UTC, one a line
//	records/ledger.jsonl        the ledger's own records
//	reports/<archive key>       the reports, or some of them
//	keys/                       for information: an auditor takes keys from elsewhere
//
// A plan that is older than the entries is taken all the same if the first slate names
// its SHA-256.
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
