package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"

	"packseal.example/internal/evidence"
)

// reports are those of a bundle: what their manifests say of them, by their keys.
type reports map[string]*wanted

// wanted is what a manifest says of a report.
type wanted struct {
	sum  string // hex; empty: no manifest of the ledger is of it
	size int64
}

// expectReports lists the reports that the bundle has.
func (a *audit) expectReports() reports {
	r := make(reports)
	for name := range a.below(ReportsDir) {
		r[strings.TrimPrefix(name, ReportsDir)] = new(wanted)
	}
	return r
}

// sealed notes what a manifest of the ledger says.
func (r reports) sealed(of evidence.Record) {
	if w := r[of.Object]; w != nil {
		*w = wanted{of.SHA256, of.Size}
	}
}

// checkReports reads the reports, each no further than its manifest says it goes.
func (a *audit) checkReports(r reports) {
	for name := range a.below(ReportsDir) {
		want := r[strings.TrimPrefix(name, ReportsDir)]
		if want.sum == "" {
			a.found.add(Unlogged, name, saidNoManifest)
			continue
		}
		sum, n, err := a.hash(name, want.size)
		a.Bytes += n
		switch {
		case err != nil:
			a.found.add(Unreadable, name, saidUnreadable, err)
		case n != want.size || sum != want.sum:
			a.found.add(Altered, name, saidAlteredReport, sum, want.sum)
		default:
			a.Reports++
		}
	}
}

// leftOut finds the reports that the bundle lacks, of those kept, by what its statement
// says of it.
func (a *audit) leftOut(r reports, kept []string, c Checkpoint) {
	for _, key := range a.claim.reports.Choose(c, kept) {
		if r[key] == nil {
			a.found.add(Unarchived, ReportName(key), saidLeftOutReport)
		}
	}
}

// hash returns the SHA-256 of a file, of one byte more than size at most.
func (a *audit) hash(name string, size int64) (sum string, n int64, err error) {
	r, err := a.files[name].Open()
	if err != nil {
		return "", 0, err
	}
	defer r.Close()
	h := sha256.New()
	n, err = io.Copy(h, io.LimitReader(r, size+1))
	return hex.EncodeToString(h.Sum(nil)), n, err
}
