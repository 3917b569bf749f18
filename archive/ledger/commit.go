package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// commit is one round of [Ledger.Commit].
type commit struct {
	*Ledger
	more     map[tree.Entry]bool // to be appended, though nobody is owed them
	problems map[Problem]bool
	fresh    []string         // keys that the first sink got, or was seen to have got
	passed   int              // numbers that were passed over, see taken
	voids    int              // numbers that were void
	down     map[string]error // sinks that can't be asked whether they have what is owed
}

func (c *commit) found(kind Kind, t Target, key, format string, args ...any) Problem {
	p := Problem{kind, t.Name, key, fmt.Sprintf(format, args...)}
	c.problems[p] = true
	return p
}

func (c *commit) run(ctx context.Context) error {
	if err := c.know(ctx); err != nil {
		return err
	}
	if err := c.follow(ctx); err != nil {
		return err
	}
	for {
		entries, err := c.due(ctx)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			break
		}
		if err := c.append(ctx, entries[:min(len(entries), maxEntries)]); err != nil {
			return err
		}
	}
	if err := c.tile(ctx); err != nil {
		return err
	}
	c.copyAll(ctx)
	return nil
}

// know makes the tip known: this process's, that of the state folder, or where
// there is none that of the sinks.
func (c *commit) know(ctx context.Context) error {
	saved, err := c.load()
	if err != nil {
		return err
	}
	switch {
	case saved == nil:
		c.tip, err = c.start(ctx)
	case c.tip == nil || c.tip.head.Batches != saved.head.Batches: // this process is new, or another one was here
		err = c.resume(ctx, saved, c.tip == nil)
	}
	if err != nil {
		c.tip = nil
	}
	return err
}

// resume goes on from a tip that was saved. A process that is new looks once whether
// the first sink has all batches before it.
func (c *commit) resume(ctx context.Context, saved *tip, look bool) error {
	c.tip = saved
	if look {
		have, err := c.survey(ctx, 0, false)
		if err == nil {
			err = c.holes(ctx, have)
		}
		if err != nil {
			return err
		}
	}
	return c.restore(ctx, c.tip)
}

// due returns the entries that are to be logged: those whose objects a sink has. It
// forgets those whose place another object has taken.
func (c *commit) due(ctx context.Context) (due []tree.Entry, err error) {
	all, err := c.owed.all()
	if err != nil {
		return nil, err
	}
	announced := slices.ContainsFunc(all, func(e tree.Entry) bool { return own(e) && e.Kind() == tree.NextKey })
	if next, ok := c.tip.keys.next(time.Now(), c.Overlap, c.Tool); ok && !announced {
		if err := c.LogRecord(ctx, next); err != nil {
			return nil, err
		}
		return c.due(ctx)
	}
	if all, err = c.epoch(ctx, all); err != nil {
		return nil, err
	}
	if due, err = c.ready(ctx, all); err != nil {
		return nil, err
	}
	for _, e := range all {
		delete(c.more, e)
	}
	due = slices.AppendSeq(due, maps.Keys(c.more))
	slices.SortFunc(due, order)
	return due, nil
}

// epoch adds the record of the ledger that this one goes on from to what is owed, if
// nothing is logged yet. Where another replica has begun, this one's is forgotten.
func (c *commit) epoch(ctx context.Context, owed []tree.Entry) ([]tree.Entry, error) {
	isEpoch := func(e tree.Entry) bool { return own(e) && e.Kind() == tree.Epoch }
	i := slices.IndexFunc(owed, isEpoch)
	switch {
	case c.tip.head.Edge.Size > 0 && i >= 0:
		c.owed.drop(owed[i])
		return slices.Concat(owed[:i], owed[i+1:]), nil
	case c.tip.head.Edge.Size == 0 && i < 0 && c.Succeeds != nil:
		if err := c.LogRecord(ctx, *c.Succeeds); err != nil {
			return nil, err
		}
		return c.owed.all()
	}
	return owed, nil
}

// errTaken is the error for an entry that is dropped: another object has its place.
var errTaken = errors.New("the first sink has another object")

// stored reports whether a sink has the object of an entry. If the first has other
// bytes, the entry is dropped, as errTaken says: whoever put them logs them, unless they
// were planted. It is an error if no sink has it, and one can't be asked.
func (c *commit) stored(ctx context.Context, e tree.Entry) (bool, error) {
	var unread error
	for i, t := range c.Sinks {
		if c.down[t.Name] != nil {
			unread = c.down[t.Name]
			continue
		}
		raw, err := sink.ReadAll(ctx, t, e.Object(), tree.MaxNote)
		switch {
		case errors.Is(err, sink.ErrNotExist):
		case err != nil && fault.Of(err) != fault.Damaged:
			unread = fmt.Errorf("reading %s from sink %s: %w", e.Object(), t.Name, err)
			if fault.Of(err) == fault.SinkUnavailable {
				c.down[t.Name] = unread
			}
		case err == nil && sha256.Sum256(raw) == e.Sum:
			c.owed.settle(e)
			return true, nil
		case i == 0:
			planted, err := c.planted(ctx, t, e.Object())
			if err == nil && !planted {
				c.owed.drop(e)
				return false, errTaken
			}
			unread = err
		}
	}
	return false, unread
}

// planted reports whether a sink's record was planted before its slot fell due.
func (c *commit) planted(ctx context.Context, t Target, key string) (bool, error) {
	s, _, ok := evidence.ParseKey(key)
	if !ok {
		return false, nil
	}
	e, err := listed(ctx, t, key)
	return s.Planted(e.ModTime), err
}

// order puts an epoch first, since nothing precedes it, and the rest by key.
func order(a, b tree.Entry) int {
	later := func(e tree.Entry) string {
		if own(e) && e.Kind() == tree.Epoch {
			return ""
		}
		return e.Key
	}
	return cmp.Compare(later(a), later(b))
}

// own reports whether an entry is of something in the ledger's own folder. Most are
// not, and a ledger has many.
func own(e tree.Entry) bool { return strings.HasPrefix(e.Key, tree.Dir) }

// append commits entries as the next batch, unless another replica was first: then
// it takes up what that one committed.
func (c *commit) append(ctx context.Context, entries []tree.Entry) error {
	signers, err := c.tip.keys.signers(time.Now())
	if err != nil {
		return err
	}
	b := c.tip.head.Batch(entries)
	raw, err := b.Sign(signers...)
	if err != nil {
		return err
	}
	if len(raw) > tree.MaxNote {
		return c.append(ctx, entries[:len(entries)/2])
	}
	if err := c.deleted(ctx, b.N); err != nil {
		return err
	}
	taken, err := c.taken(ctx, b.N)
	if err != nil {
		return err
	}
	if taken {
		raw = passedOver
	}
	put := c.store(ctx, tree.BatchKey(b.N), raw)
	if put != nil && fault.Of(put) != fault.Conflict {
		return put // where only the answer was lost, the next round finds it
	}
	if err := c.readOn(ctx, nil); err != nil { // it reads the batch back
		return err
	}
	if c.tip.head.Batches == b.N {
		return errors.Join(put, fault.New(fault.SinkUnavailable, "sink %s took %s and does not have it", c.Sinks[0].Name, tree.BatchKey(b.N)))
	}
	return nil
}

// passedOver makes a number void.
var passedOver = []byte("packseal passed this number over: somebody else wrote where its checkpoint belongs\n")

// maxPassed bounds how many numbers a commit passes over: a batch without a checkpoint is
// better than none.
const maxPassed = 16

// taken reports whether number n is to be passed over, because the first sink has foreign
// bytes where its checkpoint belongs: nobody could vouch for that batch. It is an error if
// the sink has a checkpoint after batch n and not the batch: that was there.
func (c *commit) taken(ctx context.Context, n int64) (bool, error) {
	raw, ok, err := c.read(ctx, c.Sinks[0], tree.CheckpointKey(n))
	if err != nil || !ok {
		return false, err
	}
	got, _, err := tree.OpenCheckpoint(raw, c.tip.keys.verifiers())
	if err != nil || got.Size <= c.tip.head.Edge.Size { // anybody can have written it, or copied an older one
		if c.passed++; c.passed > maxPassed {
			return false, nil
		}
		c.found(Altered, c.Sinks[0], tree.CheckpointKey(n), "no key of the ledger signed it for this place; number %d is passed over", n)
		return true, nil
	}
	if _, ok, err = c.read(ctx, c.Sinks[0], tree.BatchKey(n)); err != nil || ok { // another replica has written both by now
		return false, err
	}
	return false, c.found(RolledBack, c.Sinks[0], tree.BatchKey(n), "it is not there, and its checkpoint is: %s", got).refusal()
}

// took takes up a batch: that of others, or this replica's own.
func (c *commit) took(ctx context.Context, b tree.Batch, s tree.Signed) error {
	next := b.After()
	if err := c.checkpoint(ctx, b.N, next, s.Keys); err != nil {
		return err
	}
	for _, e := range b.Entries {
		if own(e) && e.Kind() == tree.NextKey {
			if err := c.learn(ctx, e); err != nil {
				return err
			}
		}
	}
	c.tip.keys.signed(s.Keys)
	c.tip.head, c.tip.last, c.tip.tail = next, b.N, append(c.tip.tail, b.Entries...)
	for _, e := range b.Entries {
		delete(c.more, e)
		if own(e) && e.Object() == e.Key {
			c.fresh = append(c.fresh, e.Key) // a record
		}
	}
	c.fresh = append(c.fresh, tree.BatchKey(b.N), tree.CheckpointKey(b.N))
	c.owed.drop(b.Entries...)
	if err := c.owed.sweep(); err != nil {
		return err
	}
	return c.save(c.tip)
}

// checkpoint makes sure that the first sink has the checkpoint after batch n. It is
// signed by those who signed the batch, so that it has one form; a replica that
// lacks one of these keys leaves it to others.
func (c *commit) checkpoint(ctx context.Context, n int64, head tree.Head, ids []uint32) error {
	key := tree.CheckpointKey(n)
	raw, ok, err := c.read(ctx, c.Sinks[0], key)
	if err != nil {
		return err
	}
	if !ok {
		signers, ours := c.tip.keys.of(ids)
		if !ours {
			return nil
		}
		if raw, err = head.Checkpoint().Sign(signers...); err != nil {
			return err
		}
		if err := c.store(ctx, key, raw); err != nil && fault.Of(err) != fault.Conflict {
			return err
		} else if err == nil {
			return nil
		}
		if raw, _, err = c.read(ctx, c.Sinks[0], key); err != nil {
			return err
		}
	}
	return c.sameCheckpoint(ctx, raw, n, head)
}

// sameCheckpoint returns an error if the first sink's checkpoint n is signed and not
// the log's. What no key signed for that place stands in its place, and in nobody's way.
func (c *commit) sameCheckpoint(ctx context.Context, raw []byte, n int64, head tree.Head) error {
	got, _, err := tree.OpenCheckpoint(raw, c.tip.keys.verifiers())
	switch {
	case err != nil || got.Size < head.Edge.Size: // or a copy of an older one
		c.found(Altered, c.Sinks[0], tree.CheckpointKey(n), "no key of the ledger signed it for this place")
	case got != head.Checkpoint():
		if later, err := c.comesTo(ctx, head, got); err != nil {
			return err
		} else if later {
			c.found(Altered, c.Sinks[0], tree.CheckpointKey(n), "it is that of a later batch")
			return nil
		}
		return c.found(Forked, c.Sinks[0], tree.CheckpointKey(n), "it says %s, and the batches give %s", got, head.Checkpoint()).refusal()
	}
	return nil
}

// learn takes up the next key that an entry announces. If no sink has the record any more,
// it is taken for that of key_file.
func (c *commit) learn(ctx context.Context, e tree.Entry) error {
	raw, err := c.ReadRecord(ctx, e)
	k, ours := c.tip.keys.next(time.Now(), c.Overlap, c.Tool)
	switch {
	case err == nil:
		if k, err = evidence.DecodeNextKey(raw, e.Key); err != nil {
			return err
		}
	case fault.Of(err) == fault.NotFound && ours:
		c.found(RolledBack, c.Sinks[0], e.Key, "%v; the next key of key_file is taken for the one that it announces", err)
	default:
		return fmt.Errorf("the ledger's next key is not known: %w", err)
	}
	return c.tip.keys.learn(knownKey{Key: k.Key, Announced: true, OverlapUntil: k.OverlapUntil})
}
