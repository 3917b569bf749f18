package audit

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// The names of the files of a bundle that are there once, and the folders of the
// others, with the closing slash.
const (
	PageName      = "index.html"
	StatementName = "statement.json"
	VerifyEnglish = "VERIFY.en.txt"
	VerifyChinese = "VERIFY.zh.txt"
	VerifyScript  = "verify.py"
	ProveScript   = "prove.sh"
	EdgeName      = "ledger/edge"
	LeavesName    = "ledger/leaves"
	LedgerRecords = "records/ledger.jsonl"

	CheckpointsDir = "checkpoints/"
	RecordsDir     = "records/"
	ReportsDir     = "reports/"
	KeysDir        = "keys/"
)

// CheckpointName is the name of the checkpoint after batch n.
func CheckpointName(n int64) string { return CheckpointsDir + tree.Number(n) }

// TokenName is the name of an authority's token over that checkpoint.
func TokenName(n int64, authority string) string { return CheckpointName(n) + "." + authority + ".tsr" }

// CosignaturesName is the name of the file of witnesses' signature lines for that
// checkpoint.
func CosignaturesName(n int64) string { return CheckpointName(n) + ".cosig" }

// RecordsName is the name of the file of the records of slots that are due then.
func RecordsName(due time.Time) string { return RecordsDir + due.UTC().Format("2006-01") + ".jsonl" }

// ReportName is the name of the report with that key of the archive.
func ReportName(key string) string { return ReportsDir + key }

// FormatEdge writes ledger/edge.
func FormatEdge(e tree.Edge) []byte {
	b := fmt.Appendf(nil, "size %d\n", e.Size)
	for _, h := range e.Hashes {
		b = fmt.Appendf(b, "edge %s\n", h)
	}
	return b
}

// ParseEdge reads what [FormatEdge] wrote. Anything else is fault.Damaged.
func ParseEdge(b []byte) (e tree.Edge, err error) {
	for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		name, value, _ := strings.Cut(line, " ")
		if i == 0 {
			if e.Size, err = strconv.ParseInt(value, 10, 64); err != nil {
				break
			}
			continue
		}
		h, err := tlog.ParseHash(value)
		if err != nil || name != "edge" || i > 63 {
			return tree.Edge{}, fault.New(fault.Damaged, "line %d is not a hash of an edge", i+1)
		}
		e.Hashes = append(e.Hashes, h)
	}
	if err != nil || e.Check() != nil || string(FormatEdge(e)) != string(b) {
		return tree.Edge{}, fault.New(fault.Damaged, "it is not an edge: a line \"size <n>\", and a line \"edge <base64>\" for each of its hashes")
	}
	return e, nil
}
