package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Word names a kind of finding: short and stable.
type Word string

// The words. Where verify finds the same in an archive, it has the same word.
const (
	Altered     Word = "altered"     // something is not what the ledger has
	Unlogged    Word = "unlogged"    // something is there, and the ledger does not have it
	Unarchived  Word = "unarchived"  // the ledger has something that is not there
	Unsigned    Word = "unsigned"    // a checkpoint was not signed by a key of the ledger
	Forked      Word = "forked"      // the ledger is another one than somebody was shown
	RolledBack  Word = "rolled_back" // the ledger was longer before
	Missing     Word = "missing"     // slots were due, and there is no record
	Open        Word = "open"        // slots were due just before the last stamp
	Short       Word = "short"       // the bundle ends before its period
	Unslated    Word = "unslated"    // nothing was said in advance of what is due
	Backdated   Word = "backdated"   // a record says that it is older than the ledger proves
	Unstamped   Word = "unstamped"   // no token proves when something was there
	Token       Word = "token"       // a token does not prove its checkpoint
	Unwitnessed Word = "unwitnessed" // a witness did not cosign
	Pruned      Word = "pruned"      // a report was removed against the policy
	Misplaced   Word = "misplaced"   // a record is not one of its key
	Doubled     Word = "doubled"     // something is there twice
	Unsafe      Word = "unsafe"      // a name that must not be unpacked
	Unreadable  Word = "unreadable"  // the bundle, or a part of it, is not in its form
	Claim       Word = "claim"       // the bundle's statement says something else than what was computed
)

// The languages of sentences.
const (
	English = "en"
	Chinese = "zh"
)

// Finding is something that is not as it should be.
type Finding struct {
	Key      string `json:"key,omitempty"` // of the object or slot, or the name in the bundle
	Sentence string `json:"sentence"`      // in English
	Word     Word   `json:"word"`

	said said
	args []any
}

// said is what a finding says: a sentence in each language, with verbs for the
// finding's key and its further arguments.
type said struct{ english, chinese string }

// find makes a finding.
func find(w Word, key string, s said, args ...any) Finding {
	f := Finding{Key: key, Word: w, said: s, args: args}
	f.Sentence = f.In(English)
	return f
}

// In returns the sentence in a language, without the key.
func (f Finding) In(lang string) string {
	format := f.said.english
	if lang == Chinese {
		format = f.said.chinese
	}
	if format == "" {
		return f.Sentence
	}
	args := make([]any, len(f.args))
	for i, a := range f.args {
		switch v := a.(type) {
		case time.Time:
			args[i] = v.UTC().Format(time.RFC3339)
		case [sha256.Size]byte:
			args[i] = hex.EncodeToString(v[:])
		default:
			args[i] = a
		}
	}
	return fmt.Sprintf(format, args...)
}

// Listed reports whether a list of the statement, of missing or of open slots, has what
// was found.
func (f Finding) Listed() bool {
	return (f.Word == Missing || f.Word == Open) && (f.Key != "" || f.said == saidMore)
}

// most is how many findings of one word are kept; of the others there is one that
// counts them.
const most = 100

// findings are those so far, and how many of each word there were.
type findings struct {
	list  []Finding
	words map[Word]int
}

// add adds one.
func (f *findings) add(w Word, key string, s said, args ...any) {
	if f.words == nil {
		f.words = make(map[Word]int)
	}
	if f.words[w]++; f.words[w] <= most {
		f.list = append(f.list, find(w, key, s, args...))
	}
}

// all returns them.
func (f *findings) all() []Finding {
	all := append([]Finding{}, f.list...)
	for _, w := range slices.Sorted(maps.Keys(f.words)) {
		if n := f.words[w] - most; n > 0 {
			all = append(all, find(w, "", saidMore, n))
		}
	}
	return all
}
