package audit

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

const (
	maxDirectory = 128 << 20 // bytes of a zip's list of files: about a million
	maxSmall     = 64 << 10  // bytes of a file such as a checkpoint or a token
	maxStatement = 16 << 20
	minEntry     = 32 // bytes of an entry, however well it is compressed: its sum is random
)

// bundle reads a zip that a stranger made. It writes nothing, and takes memory in
// proportion to the zip's own size, whatever the zip says of itself.
type bundle struct {
	size  int64
	files map[string]*zip.File
	other int // files that are not of a bundle
	found *findings
}

// openBundle reads the list of files; nil, and a finding, if it is no zip.
func openBundle(r io.ReaderAt, size int64, found *findings) (*bundle, error) {
	limited := &opening{r: r, left: maxDirectory}
	z, err := zip.NewReader(limited, size)
	if limited.failed != nil {
		return nil, fmt.Errorf("reading the bundle: %w", limited.failed)
	}
	b := &bundle{size: size, files: make(map[string]*zip.File), found: found}
	if err != nil {
		found.add(Unreadable, "", saidNoZip, err)
		return nil, nil
	}
	limited.left = -1
	for _, f := range z.File {
		b.take(f)
	}
	return b, nil
}

// opening reads a zip, and while it is opened no more of it than there may be.
type opening struct {
	r      io.ReaderAt
	left   int64 // -1: no limit
	failed error // not for what the zip says
}

func (o *opening) ReadAt(p []byte, off int64) (int, error) {
	if o.left >= 0 {
		if o.left -= int64(len(p)); o.left < 0 {
			return 0, errors.New("its list of files is too long")
		}
	}
	n, err := o.r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		o.failed = err
	}
	return n, err
}

// take takes a file in, if its name is one of a bundle.
func (b *bundle) take(f *zip.File) {
	name := strings.TrimSuffix(f.Name, "/")
	folder := name != f.Name
	switch {
	case !evidence.ValidKey(name) || len(name) > tree.MaxEntry || f.Mode()&fs.ModeType&^fs.ModeDir != 0:
		b.found.add(Unsafe, "", saidUnsafe, f.Name)
	case folder:
	case b.files[name] != nil:
		b.found.add(Doubled, name, saidDoubledFile)
	default:
		if !known(name) {
			b.other++
		}
		b.files[name] = f
	}
}

// known reports whether a name is one of a bundle's.
func known(name string) bool {
	switch name {
	case PageName, StatementName, VerifyEnglish, VerifyChinese, VerifyScript, ProveScript, EdgeName, LeavesName:
		return true
	}
	return slices.ContainsFunc([]string{CheckpointsDir, RecordsDir, ReportsDir, KeysDir}, func(dir string) bool { return strings.HasPrefix(name, dir) })
}

// aside returns those of the bundle's files that nothing checks.
func (b *bundle) aside() []string {
	names := []string{}
	for _, name := range []string{PageName, VerifyEnglish, VerifyChinese, VerifyScript, ProveScript} {
		if b.files[name] != nil {
			names = append(names, name)
		}
	}
	for range b.below(KeysDir) {
		return append(names, KeysDir)
	}
	return names
}

// below yields the names below a folder, in order.
func (b *bundle) below(dir string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, name := range slices.Sorted(maps.Keys(b.files)) {
			if strings.HasPrefix(name, dir) && !yield(name) {
				return
			}
		}
	}
}

// read returns a file of at most so many bytes; nil, and a finding, if that fails.
func (b *bundle) read(name string, most int64) []byte {
	f := b.files[name]
	if f == nil {
		b.found.add(Unreadable, name, saidNoFile)
		return nil
	}
	raw, err := readAll(f, most)
	if err != nil {
		b.found.add(Unreadable, name, saidUnreadable, err)
		return nil
	}
	return raw
}

func readAll(f *zip.File, most int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(raw)) > most {
		err = fault.New(fault.Damaged, "it is longer than %d bytes", most)
	}
	return raw, err
}

// lines yields the lines of a file, each until the next one is read, without its end.
// What can't be read is a finding.
func (b *bundle) lines(name string, longest int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		f := b.files[name]
		if f == nil {
			b.found.add(Unreadable, name, saidNoFile)
			return
		}
		r, err := f.Open()
		if err != nil {
			b.found.add(Unreadable, name, saidUnreadable, err)
			return
		}
		defer r.Close()
		s := bufio.NewScanner(r)
		s.Buffer(make([]byte, 0, 4096), longest+2)
		s.Split(scanLines)
		for s.Scan() {
			if !yield(s.Bytes()) {
				return
			}
		}
		if err := s.Err(); err != nil {
			b.found.add(Unreadable, name, saidUnreadable, err)
		}
	}
}

// scanLines splits at LF alone, and takes no last line without one.
func scanLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}

// entries returns those of ledger/leaves; ok = false, and a finding, if they can't be
// read.
func (b *bundle) entries() (entries []tree.Entry, ok bool) {
	f := b.files[LeavesName]
	most := b.size
	if f != nil {
		most = min(most, int64(min(f.CompressedSize64, 1<<62)))
	}
	most = most/minEntry + 1
	before := len(b.found.list)
	for line := range b.lines(LeavesName, tree.MaxEntry) {
		e, err := tree.ParseEntry(string(line))
		if err == nil && int64(len(entries)) >= most {
			err = fault.New(fault.Damaged, "%d different sums can't be in %d bytes", most+1, f.CompressedSize64)
		}
		if err != nil {
			b.found.add(Unreadable, LeavesName, saidLine, len(entries)+1, err)
			return nil, false
		}
		entries = append(entries, e)
	}
	return entries, len(b.found.list) == before
}

// records yields the lines of all records.
func (b *bundle) records() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for name := range b.below(RecordsDir) {
			longest := evidence.MaxRecord
			if name == LedgerRecords {
				longest = maxStatement
			}
			for line := range b.lines(name, longest) {
				if !yield(line, nil) {
					return
				}
			}
		}
	}
}
