// Package ledger keeps the ledger: the append-only, signed record of what was
// promised, what was kept and when, in the sinks that hold the archive. Package
// tree has its formats.
//
// Every replica appends its own entries. Whoever creates batch/<n> first, in the
// first sink, has the number; the sink's write-once rule decides, so there is no
// lease. An entry goes this way; wherever a crash interrupts it, what is there is
// enough to continue, and nothing is lost or logged twice:
//
//	state:  owed              the entry, durable before what it is of is stored
//	sink:   the object        that the entry is of
//	sink:   batch/<n>         the commit
//	sink:   checkpoint/<n>    follows from the batches: every replica writes the same bytes
//	sink:   tile/…            likewise
//	state:  owed              without the entry
//	state:  tip               how far this replica has seen the ledger
//	others: copies of all that the first sink got
//
// # What is not signed
//
// A replica signs only what follows from the highest tip that it knows of: that of
// its own state, and of any sink. If the first sink has less, the ledger was rolled
// back: it is refilled from the others, and where these can't, nothing is signed
// until somebody acts. Two trees of one size can't come about while a store keeps
// its word, or one copy is left that tells.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/flock"
	"packseal.example/sink"
)

// Target is a sink under its name.
type Target struct {
	Name string
	sink.Sink
}

// Options are what a Ledger needs. Required fields are marked.
type Options struct {
	Origin string        // required; the log's name, such as "example.com/packseal/audit"
	Keys   Keys          // required
	Sinks  []Target      // required; the first decides, the others get copies
	Dir    string        // required; for what is owed, and the tip. It is made
	Tool   string        // required; "packseal/<version>", for records
	Logger *slog.Logger  // required
	Every  time.Duration // how often Run appends what is owed; default 10 minutes

	// Overlap is how long the key before still signs, too, after a key was
	// exchanged; default 30 days.
	Overlap time.Duration

	// Succeeds is the first entry, if the ledger has none yet: which one it goes on
	// from. nil = none.
	Succeeds *evidence.Epoch
}

// maxEntries bounds a batch: more are owed than this only after the first sink was
// down for long.
const maxEntries = 5000

// Ledger appends to the ledger and follows it. Make one with [Open]. Its methods may
// be called from many goroutines, and by several processes on one Dir.
type Ledger struct {
	Options
	owed *owed
	wake chan struct{} // has one when Run is to append at once

	mu       sync.Mutex      // one Commit at a time
	tip      *tip            // nil = nothing is known yet
	compared map[string]bool // further sinks that have all that the first has, as of the last Commit

	untiled atomic.Bool // the tiles did not come to the tip: entries are read from batches

	show    sync.Mutex
	status  Status
	added   []string                 // what Add has put, and further sinks lack
	waiting map[tree.Entry]time.Time // see Waits; since when
	changed chan struct{}            // is closed at the next tip
}

// Open opens the ledger. It accesses no sink. A first sink that does not keep
// objects from being replaced is refused: two batches of one number could take each
// other's place.
func Open(o Options) (*Ledger, error) {
	switch {
	case o.Origin == "" || len(o.Sinks) == 0 || o.Dir == "" || o.Tool == "" || o.Logger == nil:
		return nil, errors.New("ledger: Origin, Sinks, Dir, Tool and Logger are required")
	case len(o.Keys.pairs) == 0:
		return nil, fault.New(fault.Credentials, "the ledger has no key").WithHint("packseal ledger init makes one")
	}
	if weaker := sink.Weaker(o.Sinks[0].Sink); weaker != "" {
		return nil, fault.New(fault.SinkDenied, "the ledger can't be kept in sink %s: with %s two batches of one number could replace each other", o.Sinks[0].Name, weaker).
			WithHint("make another sink the first, or remove %s", weaker)
	}
	if o.Every <= 0 {
		o.Every = 10 * time.Minute
	}
	if o.Overlap <= 0 {
		o.Overlap = 30 * 24 * time.Hour
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Internal, fmt.Errorf("making the folder of the ledger: %w", err))
	}
	owed, err := openOwed(filepath.Join(o.Dir, "owed"))
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		Options: o, owed: owed, wake: make(chan struct{}, 1), compared: make(map[string]bool), changed: make(chan struct{}),
	}
	l.status.Found = make(map[Kind]int)
	if t, err := l.load(); err == nil && t != nil { // else Commit says what is wrong with it
		l.status.Checkpoint, l.status.Batches = t.head.Checkpoint(), t.head.Batches
	}
	return l, nil
}

// Log makes an entry durable in Dir, then calls put, which stores what the entry is
// of, and returns its error. Once a sink has that, the entry is due for the next
// batch. If another one has taken its place (fault.Conflict), the entry is dropped.
// After any other error, or a crash, [Ledger.Commit] looks whether a sink has it.
//
// A record that says what is to be, such as a plan, is appended by [Ledger.Run] at once:
// no time-stamp may fall between when it comes into force and when it is in the ledger.
//
// Log fails without calling put if the entry can't be made durable.
func (l *Ledger) Log(e tree.Entry, put func() error) error {
	defer l.owed.fly(e)()
	if err := l.owed.add(e); err != nil {
		return fmt.Errorf("noting an entry of the ledger: %w", err)
	}
	err := put()
	switch {
	case err == nil:
		if l.owed.settle(e); urgent(e) {
			l.soon()
		}
	case fault.Of(err) == fault.Conflict:
		l.owed.drop(e)
	}
	return err
}

// soon has Run append at once.
func (l *Ledger) soon() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// urgent reports whether an entry is appended at once.
func urgent(e tree.Entry) bool {
	if !own(e) {
		return false
	}
	switch e.Kind() {
	case tree.Plan, tree.Slate, tree.Policy, tree.NextKey, tree.Epoch:
		return true
	}
	return false
}

// Record is a record of the ledger's own, such as a slate.
type Record = evidence.Named

// LogRecord puts a record into the first sink, and logs it.
func (l *Ledger) LogRecord(ctx context.Context, r Record) error {
	key, raw, err := r.Encode()
	if err != nil {
		return err
	}
	return l.Log(tree.Of(key, raw), func() error { return l.store(ctx, key, raw) })
}

// Run appends what is owed, every [Options].Every and at the end, until ctx ends.
func (l *Ledger) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		l.commitAndLog(ctx)
		timer := time.NewTimer(l.Every)
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	if entries, err := l.owed.all(); err == nil && len(entries) > 0 {
		l.commitAndLog(last)
	}
	return nil
}

func (l *Ledger) commitAndLog(ctx context.Context) {
	if err := Patiently(ctx, l.Commit); err != nil && ctx.Err() == nil {
		l.Logger.WarnContext(ctx, "ledger not appended to", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
	}
}

// Commit follows what others have appended, appends what is owed, and brings the
// further sinks what they lack. An error of theirs is logged, and does not fail it.
// The error is fault.Busy while another process does so on the same Dir. See
// [Problem] for when nothing is signed.
func (l *Ledger) Commit(ctx context.Context) error { return l.commit(ctx, nil) }

// Append is Commit with entries that need not be durable before: those that it fails to
// append are not there, and nothing is owed for them.
func (l *Ledger) Append(ctx context.Context, entries []tree.Entry) error {
	more := make(map[tree.Entry]bool, len(entries))
	for _, e := range entries {
		if err := e.Check(); err != nil {
			return err
		}
		more[e] = true
	}
	return l.commit(ctx, more)
}

// commit is Commit with more entries than those that are owed.
func (l *Ledger) commit(ctx context.Context, more map[tree.Entry]bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	lock, err := flock.TryLock(filepath.Join(l.Dir, "lock"))
	if errors.Is(err, flock.ErrLocked) {
		return fault.New(fault.Busy, "another process appends to the ledger")
	}
	if err != nil {
		return fault.Wrap(fault.Internal, fmt.Errorf("locking the ledger: %w", err))
	}
	defer lock.Close() //nolint:errcheck // letting go of a lock
	c := &commit{Ledger: l, more: more, problems: make(map[Problem]bool), fresh: l.takeAdded(), down: make(map[string]error)}
	if err = c.run(ctx); err != nil {
		clear(l.compared) // what this one took up was not copied
	}
	l.report(ctx, c, err)
	return err
}

// storable is the content of an object of the ledger.
func storable(key string, raw []byte) sink.Content {
	c := sink.Bytes(raw)
	c.About = sink.About{Type: "text/plain; charset=utf-8"}
	if filepath.Ext(key) == ".json" {
		c.About.Type = "application/json"
	}
	return c
}

// store puts an object into the first sink.
func (l *Ledger) store(ctx context.Context, key string, raw []byte) error {
	if err := l.Sinks[0].Put(ctx, key, storable(key, raw)); err != nil {
		return fmt.Errorf("storing %s in sink %s: %w", key, l.Sinks[0].Name, err)
	}
	return nil
}

// read reads an object of the ledger as readNote does; ok is false if the sink has none.
func read(ctx context.Context, t Target, key string) (raw []byte, ok bool, err error) {
	r, err := t.Open(ctx, key)
	if errors.Is(err, sink.ErrNotExist) {
		return nil, false, nil
	}
	if err == nil {
		raw, err = readNote(r)
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading %s from sink %s: %w", key, t.Name, err)
	}
	return raw, true, nil
}

// readNote reads an object, and closes it. Of one that is larger than a note can be, it
// returns no more than shows that.
func readNote(r io.ReadCloser) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, tree.MaxNote+1))
	return raw, errors.Join(err, r.Close())
}
