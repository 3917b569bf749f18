package fetcher

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"packseal.example/internal/evidence"
)

// Receive puts the report in r, which was not downloaded, into the entry of the
// slot, in place of what the entry holds. The report is inspected as a downloaded
// one is, and no larger than MaxBytes of the settings. What cannot be a report is
// fault.Damaged.
func (e *Entry) Receive(s evidence.Slot, r io.Reader, from evidence.Imported, settings Settings) (Report, error) {
	d := &downloader{max: int64(settings.withDefaults().MaxBytes)}
	report := Report{Ticket: Ticket{Slot: s}, Name: from.File, Imported: &from}
	body, err := e.create()
	if err != nil {
		return report, err
	}
	defer body.Close() //nolint:errcheck // it is read back and compared with its sums
	sums := newDigest()
	n, err := copyBody(body, io.LimitReader(r, d.max+1), sums)
	switch {
	case err != nil:
		return report, fmt.Errorf("copying the report: %w", err)
	case n > d.max:
		return report, tooLarge(d.max)
	}
	sums.sums(&report)
	if err := d.inspect(&report, &sums.sample, body, http.Header{}, nil); err != nil {
		return report, err
	}
	return report, errors.Join(diskFault(body.Sync()), e.SaveReport(report))
}
