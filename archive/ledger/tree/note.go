package tree

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/internal/fault"
)

// MaxNote bounds a batch or a checkpoint, in bytes.
const MaxNote = 4 << 20

// ErrUnsigned is the error (by errors.Is) for bytes that are not a note, or one
// that none of the known keys signed for the place where it is.
var ErrUnsigned = errors.New("no key of the ledger signed it for this place")

// A Signed is the text of a note and whose signature lines it has, in their order.
type Signed struct {
	Text string
	Keys []uint32 // the key IDs, of known keys and of others
}

// OpenNote checks a note. It must have a valid signature of a known key, and no
// two lines of one key. Lines of other keys are passed over.
func OpenNote(raw []byte, known note.Verifiers) (Signed, error) {
	if len(raw) > MaxNote {
		return Signed{}, unsigned(fmt.Errorf("it is larger than %d bytes", MaxNote))
	}
	n, err := note.Open(raw, known)
	if err != nil {
		return Signed{}, unsigned(err)
	}
	s := Signed{Text: n.Text}
	ids, signed := make(map[string]uint32), make(map[uint32]int) // by line; by key that is known
	for _, sig := range append(n.UnverifiedSigs, n.Sigs...) {
		ids["— "+sig.Name+" "+sig.Base64] = sig.Hash
	}
	for _, sig := range n.Sigs {
		signed[sig.Hash] = 1
	}
	for line := range strings.Lines(string(raw[len(n.Text)+1:])) {
		id, ok := ids[strings.TrimSuffix(line, "\n")]
		if n, known := signed[id]; !ok || known && n == 0 {
			return Signed{}, unsigned(errors.New("it has two signatures of one key"))
		} else if known {
			signed[id] = 0
		}
		s.Keys = append(s.Keys, id)
	}
	return s, nil
}

func unsigned(err error) error {
	return fault.Wrap(fault.Damaged, fmt.Errorf("%w: %w", ErrUnsigned, err))
}

// lines reads the lines of a text, each with its end.
type lines struct {
	rest string
	err  error
}

// next returns the next line without its end. After the last it sets err.
func (l *lines) next() string {
	line, rest, ok := strings.Cut(l.rest, "\n")
	if !ok {
		l.err = damaged("the text ends too early")
	}
	l.rest = rest
	return line
}

// field returns what follows name and a space in the next line.
func (l *lines) field(name string) string {
	value, ok := strings.CutPrefix(l.next(), name+" ")
	if !ok && l.err == nil {
		l.err = damaged("expected a line %q", name)
	}
	return value
}
