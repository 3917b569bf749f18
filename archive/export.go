package archive

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"math"
	"os"
	"strconv"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Manifest returns a slot's manifest, decoded and as it is, from the first sink
// that has a good one.
func (r *reader) Manifest(ctx context.Context, s evidence.Slot) (evidence.Manifest, []byte, error) {
	from, err := r.rightful(ctx, s, evidence.ManifestName)
	if err != nil {
		return evidence.Manifest{}, nil, err
	}
	return manifest(ctx, from, s)
}

// Export writes a slot's report to w, by its manifest: see ExportReport.
func (r *reader) Export(ctx context.Context, s evidence.Slot, w io.Writer) error {
	m, _, err := r.Manifest(ctx, s)
	if err != nil {
		return err
	}
	return r.ExportReport(ctx, m, w)
}

// ExportReport writes the report of a manifest to w, from the first sink whose report
// is what the manifest says; copies that are not are logged. Nothing is written before
// the whole report was read and checked. The error is fault.Damaged when a sink
// has lost or altered the report and no other has a good one, and ErrPruned when the
// report was removed after its retention.
func (r *reader) ExportReport(ctx context.Context, m evidence.Manifest, w io.Writer) error {
	var errs []error
	damaged, pruned := false, false
	for _, t := range r.sinks {
		f, err := checked(ctx, t, m)
		if err == nil {
			_, err = io.Copy(w, f)
			return errors.Join(err, f.Close())
		}
		if pruned = r.wasPruned(ctx, m); pruned {
			continue
		}
		r.logger.ErrorContext(ctx, "report not exported", "sink", t.Name, "object", m.ReportKey(), "reason", fault.Of(err), "err", err)
		damaged = damaged || fault.Of(err) == fault.Damaged
		errs = append(errs, fmt.Errorf("sink %s: %w", t.Name, err))
	}
	if pruned {
		return prunedError(m.Slot())
	}
	err := errors.Join(errs...)
	if damaged {
		err = fault.Wrap(fault.Damaged, err)
	}
	return err
}

// inMemory is the size of the largest report that is kept in memory while it is
// checked, in bytes. Larger ones take a temporary file, which a container may have
// no folder for.
const inMemory = 32 << 20

// body is a report that can be read.
type body interface {
	io.ReadCloser
	io.ReaderAt
}

// buffered is a body in memory.
type buffered struct{ *bytes.Reader }

func (buffered) Close() error { return nil }

// checked returns the report that a sink has, in memory or in a file without a name,
// if it is what the manifest says.
func checked(ctx context.Context, t Target, m evidence.Manifest) (body, error) {
	if m.Size <= inMemory {
		var b bytes.Buffer
		err := check(ctx, t, m, &b)
		return buffered{bytes.NewReader(b.Bytes())}, err
	}
	f, err := os.CreateTemp("", "packseal-export-")
	if err != nil {
		// Not wrapped: a missing folder is no missing report.
		return nil, fault.New(fault.Internal, "a report of %d bytes is checked in a temporary file: %v", m.Size, err).
			WithHint("set TMPDIR to a folder with space for it")
	}
	if err = os.Remove(f.Name()); err == nil {
		err = check(ctx, t, m, f)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close() //nolint:errcheck // nothing in it is wanted
	}
	return f, err
}

// errAbsent is in the error of check for a report that is not there.
var errAbsent = errors.New("is missing")

// check writes the report that a sink has to w, and returns an error unless it is
// what the manifest says.
func check(ctx context.Context, t Target, m evidence.Manifest, w io.Writer) error {
	switch _, altered, err := readReport(ctx, t, m, w); {
	case errors.Is(err, sink.ErrNotExist):
		return fault.New(fault.Damaged, "%s %w", m.ReportKey(), errAbsent)
	case err != nil:
		return err
	case altered != "":
		return fault.New(fault.Damaged, "%s is not what its manifest says: %s", m.ReportKey(), altered)
	}
	return nil
}

// readReport writes the report that a sink has to w, and says how it differs from
// its manifest; altered is empty if it does not.
func readReport(ctx context.Context, t Target, m evidence.Manifest, w io.Writer) (n int64, altered string, err error) {
	r, err := t.Open(ctx, m.ReportKey())
	if err != nil {
		return 0, "", err
	}
	sha, sum5, crc := sha256.New(), md5.New(), crc64.New(crc64.MakeTable(crc64.ECMA))
	n, err = io.Copy(io.MultiWriter(w, sha, sum5, crc), io.LimitReader(r, min(m.Size, math.MaxInt64-1)+1)) // a byte more tells a longer one
	if err = errors.Join(err, r.Close()); err != nil {
		return n, "", fmt.Errorf("reading %s: %w", m.ReportKey(), err)
	}
	for _, c := range []struct{ what, is, want string }{
		{"size", strconv.FormatInt(n, 10), strconv.FormatInt(m.Size, 10)},
		{"SHA-256", hex.EncodeToString(sha.Sum(nil)), m.SHA256},
		{"MD5", hex.EncodeToString(sum5.Sum(nil)), m.MD5},
		{"CRC-64", strconv.FormatUint(crc.Sum64(), 10), m.CRC64},
	} {
		if c.is != c.want {
			return n, fmt.Sprintf("its %s is %s, the manifest says %s", c.what, c.is, c.want), nil
		}
	}
	return n, "", nil
}
