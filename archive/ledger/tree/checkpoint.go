package tree

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint says what a tree is at some size: a C2SP tlog-checkpoint without
// extension lines. It follows from the batches, and is signed by the keys that
// signed the last of them, in the order of its lines.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
}

// Checkpoint returns the log's.
func (h Head) Checkpoint() Checkpoint { return Checkpoint{h.Origin, h.Edge.Size, h.Edge.Root()} }

// Text returns what is signed.
func (c Checkpoint) Text() string { return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root) }

// Sign returns the checkpoint as it is stored. The same signers write the same
// bytes.
func (c Checkpoint) Sign(signers ...note.Signer) ([]byte, error) {
	raw, err := note.Sign(&note.Note{Text: c.Text()}, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing a checkpoint: %w", err)
	}
	return raw, nil
}

// String returns the checkpoint as a line for people to keep: origin, size, root.
func (c Checkpoint) String() string { return fmt.Sprintf("%s %d %s", c.Origin, c.Size, c.Root) }

// ParseCheckpoint reads the text of a checkpoint.
func ParseCheckpoint(text string) (Checkpoint, error) {
	l := lines{rest: text}
	c := Checkpoint{Origin: l.next(), Size: integer(l.next())}
	root, err := tlog.ParseHash(l.next())
	c.Root = root
	if err := errors.Join(l.err, err); err != nil || c.Size < 0 || c.Text() != text {
		return Checkpoint{}, damaged("%.100q is not a checkpoint of origin, size and root", text)
	}
	return c, nil
}

// OpenCheckpoint reads a checkpoint as it is stored, signed by a known key.
func OpenCheckpoint(raw []byte, known note.Verifiers) (Checkpoint, Signed, error) {
	s, err := OpenNote(raw, known)
	if err != nil {
		return Checkpoint{}, s, err
	}
	c, err := ParseCheckpoint(s.Text)
	return c, s, err
}
