package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Manifest returns a slot's manifest, decoded and as it is, from the first sink
// that has a good one.
func (r *reader) Manifest(ctx context.Context, s evidence.Slot) (evidence.Manifest, []byte, error) {
	return manifest(ctx, r.sinks, s)
}

// Export writes a slot's report to w, from the first sink whose report is what
// the manifest says; copies that are not are logged. Nothing is written before
// the whole report was read and checked. The error is fault.Damaged when a sink
// has lost or altered the report and no other has a good one.
func (r *reader) Export(ctx context.Context, s evidence.Slot, w io.Writer) error {
	m, _, err := r.Manifest(ctx, s)
	if err != nil {
		return err
	}
	var errs []error
	damaged := false
	for _, t := range r.sinks {
		f, err := checked(ctx, t, m)
		if err == nil {
			_, err = io.Copy(w, f)
			return errors.Join(err, f.Close())
		}
		r.logger.ErrorContext(ctx, "report not exported", "sink", t.Name, "object", m.ReportKey(), "reason", fault.Of(err), "err", err)
		damaged = damaged || fault.Of(err) == fault.Damaged
		errs = append(errs, fmt.Errorf("sink %s: %w", t.Name, err))
	}
	if err = errors.Join(errs...); damaged {
		err = fault.Wrap(fault.Damaged, err)
	}
	return err
}

// checked returns the report that a sink has, in a file without a name, if it is
// what the manifest says.
func checked(ctx context.Context, t Target, m evidence.Manifest) (_ *os.File, err error) {
	f, err := os.CreateTemp("", "packseal-export-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close() //nolint:errcheck // nothing in it is wanted
		}
	}()
	if err := os.Remove(f.Name()); err != nil {
		return nil, err
	}
	switch _, altered, err := readReport(ctx, t, m, f); {
	case errors.Is(err, sink.ErrNotExist):
		return nil, fault.New(fault.Damaged, "%s is missing", m.ReportKey())
	case err != nil:
		return nil, err
	case altered != "":
		return nil, fault.New(fault.Damaged, "%s is not what its manifest says: %s", m.ReportKey(), altered)
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, err
}
