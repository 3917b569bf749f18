package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Adoption says what [Ledger.Adopt] is to do.
type Adoption struct {
	// Before leaves out what was stored later, by the clock of the storage: another
	// replica may not have logged it yet. Zero = nothing is left out.
	Before   time.Time
	DryRun   bool          // count, and log nothing
	Progress func(Adopted) // is told after each batch; nil = nobody
}

// Adopted is what [Ledger.Adopt] has found.
type Adopted struct {
	Manifests int      `json:"manifests"`  // that had no entry
	Gaps      int      `json:"gaps"`       // gap records that had none
	Known     int      `json:"known"`      // records that have an entry, or are owed one
	Recent    int      `json:"recent"`     // stored after Before
	Unread    []string `json:"unreadable"` // keys of what can't be read as a record, and was left out

	Planted []string `json:"planted,omitempty"` // keys of records that were stored before their slots fell due, and were left out
}

// keyHash stands for a key: a ledger has many.
type keyHash [16]byte

func hashKey(key string) keyHash {
	sum := sha256.Sum256([]byte(key))
	return keyHash(sum[:16])
}

// adoption is one run of [Ledger.Adopt].
type adoption struct {
	*Ledger
	Adoption
	known map[keyHash]bool // what has an entry
	seen  tree.Edge        // of the entries that were looked at
	total Adopted
}

// Adopt logs the manifests and gap records that lie in the first sink and have no entry
// as found there: nobody vouches for how they came there. What was planted there before its
// slot fell due is left out. What was logged, or is owed by
// this replica, is left as it is; so a second run finds nothing. It may run beside
// other processes on the same Dir.
func (l *Ledger) Adopt(ctx context.Context, o Adoption) (Adopted, error) {
	a := &adoption{Ledger: l, Adoption: o, known: make(map[keyHash]bool), total: Adopted{Unread: []string{}}}
	if err := a.follow(ctx); err != nil {
		return a.total, err
	}
	chunk := make([]string, 0, maxEntries)
	for e, err := range l.Sinks[0].List(ctx, "", "") {
		if err != nil {
			return a.total, fmt.Errorf("listing sink %s: %w", l.Sinks[0].Name, err)
		}
		s, name, ok := evidence.ParseKey(e.Key)
		switch {
		case !ok || name != evidence.ManifestName && name != evidence.GapName || e.Key != s.Dir()+name:
		case a.known[hashKey(e.Key)]:
			a.total.Known++
		case s.Planted(e.ModTime):
			a.total.Planted = append(a.total.Planted, e.Key)
		case !a.Before.IsZero() && e.ModTime.After(a.Before):
			a.total.Recent++
		default:
			chunk = append(chunk, e.Key)
		}
		if len(chunk) == maxEntries {
			if err := a.adopt(ctx, chunk); err != nil {
				return a.total, err
			}
			chunk = chunk[:0]
		}
	}
	return a.total, a.adopt(ctx, chunk)
}

// follow takes up what has been logged, and what is owed. What is owed is read first:
// an entry that goes from there into the ledger in between is seen in the ledger.
func (a *adoption) follow(ctx context.Context) error {
	owed, err := a.owed.all()
	if err == nil {
		err = Patiently(ctx, a.Commit)
	}
	if err != nil {
		return err
	}
	for _, e := range owed {
		a.known[hashKey(e.Object())] = true
	}
	for e, err := range a.After(ctx, a.seen) {
		if err != nil {
			return err
		}
		a.seen.Append(e.Leaf())
		switch e.Kind() {
		case tree.Manifest, tree.Gap, tree.Found:
			a.known[hashKey(e.Object())] = true
		}
	}
	return nil
}

// maxReads is how many records are read at once.
const maxReads = 16

// adopt logs those of some records that still have no entry.
func (a *adoption) adopt(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	if err := a.follow(ctx); err != nil {
		return err
	}
	raws := make([][]byte, len(keys))
	reads, reading := errgroup.WithContext(ctx)
	reads.SetLimit(maxReads)
	for i, key := range keys {
		if a.known[hashKey(key)] { // logged, or owed, since it was listed
			continue
		}
		reads.Go(func() (err error) {
			raws[i], err = sink.ReadAll(reading, a.Sinks[0], key, evidence.MaxRecord)
			if errors.Is(err, sink.ErrNotExist) || evidence.Unreadable(err) {
				raws[i], err = []byte{}, nil
			}
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return err
	}
	var entries []tree.Entry
	for i, key := range keys {
		if raws[i] == nil {
			a.total.Known++
		} else if e, ok := a.found(key, raws[i]); ok {
			entries = append(entries, e)
		}
	}
	if len(entries) > 0 && !a.DryRun {
		if err := Patiently(ctx, func(ctx context.Context) error { return a.Append(ctx, entries) }); err != nil {
			return err
		}
	}
	if a.Progress != nil {
		a.Progress(a.total)
	}
	return nil
}

// found returns the entry of a record that lies in the archive, and counts it.
func (a *adoption) found(key string, raw []byte) (tree.Entry, bool) {
	s, name, _ := evidence.ParseKey(key)
	count, err := &a.total.Gaps, error(nil)
	if name == evidence.ManifestName {
		count = &a.total.Manifests
		_, err = evidence.DecodeManifest(raw, s)
	} else {
		_, err = evidence.DecodeGap(raw, s)
	}
	if err != nil && fault.Of(err) != fault.Newer {
		a.total.Unread = append(a.total.Unread, key)
		return tree.Entry{}, false
	}
	*count++
	return tree.Of(tree.FoundKey(key), raw), true
}

// Patiently calls f again for as long as another process appends to the ledger, up to
// two minutes.
func Patiently(ctx context.Context, f func(context.Context) error) error {
	for end := time.Now().Add(2 * time.Minute); ; {
		err := f(ctx)
		if fault.Of(err) != fault.Busy || time.Now().After(end) || !fault.Sleep(ctx, 200*time.Millisecond) {
			return err
		}
	}
}
