package tree

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// batchHeader is the first line of a batch.
const batchHeader = "packseal.example/ledger-batch@v1"

// Batch is what is committed at once: entries, and the edge of the tree before
// them, so that each batch can be checked against the checkpoint before it. Its
// text is
//
//	packseal.example/ledger-batch@v1
//	<origin>
//	batch <number>
//	size <leaves before it>
//	edge <base64>             one line a hash
//
//	<entry>                   one or more lines
type Batch struct {
	Origin  string
	N       int64
	Before  Edge
	Entries []Entry
}

// Text returns what is signed.
func (b Batch) Text() string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s\n%s\nbatch %d\nsize %d\n", batchHeader, b.Origin, b.N, b.Before.Size)
	for _, h := range b.Before.Hashes {
		fmt.Fprintf(&t, "edge %s\n", h)
	}
	t.WriteString("\n")
	for _, e := range b.Entries {
		t.WriteString(e.String() + "\n")
	}
	return t.String()
}

// Sign returns the batch as it is stored.
func (b Batch) Sign(signers ...note.Signer) ([]byte, error) {
	raw, err := note.Sign(&note.Note{Text: b.Text()}, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing a batch: %w", err)
	}
	return raw, nil
}

// ParseBatch reads the text of a batch.
func ParseBatch(text string) (Batch, error) {
	head, body, _ := strings.Cut(text, "\n\n")
	l := lines{rest: head + "\n"}
	if l.next() != batchHeader {
		return Batch{}, damaged("the text does not begin with %s", batchHeader)
	}
	b := Batch{Origin: l.next()}
	b.N = integer(l.field("batch"))
	b.Before.Size = integer(l.field("size"))
	for l.err == nil && l.rest != "" {
		h, err := tlog.ParseHash(l.field("edge"))
		b.Before.Hashes, l.err = append(b.Before.Hashes, h), errors.Join(l.err, err)
	}
	if err := errors.Join(l.err, b.Before.Check()); err != nil {
		return Batch{}, damaged("the head of a batch: %w", err)
	}
	for line := range strings.Lines(body) {
		e, err := ParseEntry(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return Batch{}, err
		}
		b.Entries = append(b.Entries, e)
	}
	if len(b.Entries) == 0 || b.Text() != text { // such as a number with zeros before it
		return Batch{}, damaged("the batch has no entries, or is not in its one form")
	}
	return b, nil
}

// integer reads a number; -1 if it is none.
func integer(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// ErrForked is the error (by errors.Is) for a batch or a checkpoint that a key of
// the ledger signed and that does not follow from the batches before.
var ErrForked = errors.New("it does not follow from the batches before it")

// Head is a log after some batches.
type Head struct {
	Origin  string
	Batches int64 // how many numbers are used up, and so the next batch's
	Edge    Edge
}

// Batch returns the next batch, of these entries.
func (h Head) Batch(entries []Entry) Batch {
	return Batch{Origin: h.Origin, N: h.Batches, Before: h.Edge, Entries: entries}
}

// OpenBatch reads batch n as it is stored. Bytes that no known key signed as batch n are
// ErrUnsigned, such as a copy of another batch or of a checkpoint, which anybody can
// put there. What a key signed in another form is ErrForked.
func OpenBatch(raw []byte, n int64, known note.Verifiers) (Batch, Signed, error) {
	s, err := OpenNote(raw, known)
	if err != nil {
		return Batch{}, s, err
	}
	b, err := ParseBatch(s.Text)
	if _, other := ParseCheckpoint(s.Text); err != nil && other == nil {
		return b, s, unsigned(errors.New("it is a checkpoint"))
	}
	if err != nil {
		return b, s, damaged("batch %d: %w: %w", n, ErrForked, err)
	}
	if b.N != n {
		return b, s, unsigned(fmt.Errorf("it is batch %d", b.N))
	}
	return b, s, nil
}

// Open reads the next batch as it is stored. If that is ErrUnsigned, the number is
// void, and the next batch follows all the same.
func (h Head) Open(raw []byte, known note.Verifiers) (Batch, Signed, error) {
	b, s, err := OpenBatch(raw, h.Batches, known)
	if err != nil {
		return b, s, err
	}
	if want := h.Batch(b.Entries); want.Text() != s.Text {
		return b, s, damaged("batch %d: %w: it says that it is batch %d of %.100q, after %d leaves with the root %s",
			h.Batches, ErrForked, b.N, b.Origin, b.Before.Size, b.Before.Root())
	}
	return b, s, nil
}

// After returns the log after that batch.
func (b Batch) After() Head { return Head{b.Origin, b.N + 1, b.Before.Add(b.Entries)} }

// Skip returns the log after a void number.
func (h Head) Skip() Head { h.Batches++; return h }

// Unverified reads a batch as it is stored without asking who signed it. It can be
// believed where the batch after it is, and begins with the tree that it ends with.
func Unverified(raw []byte) (Batch, error) {
	end := bytes.LastIndex(raw, []byte("\n\n"))
	if end < 0 || len(raw) > MaxNote {
		return Batch{}, damaged("it is not a note")
	}
	return ParseBatch(string(raw[:end+1]))
}
