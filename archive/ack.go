package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Acknowledge puts an acknowledgement of a slot's gap, or of a kind of problem that
// [Archive.Verify] finds with the slot, into every sink. Of the record, Slot,
// Problem, Until, Who and Why are given. If one that says the same is in force, it
// stays the only one, and sinks that lack it get it. Otherwise it is fault.Request
// when there is nothing to acknowledge.
func (a *Archive) Acknowledge(ctx context.Context, ack evidence.Ack) (recorded evidence.Ack, already bool, err error) {
	acks, used, err := a.acks(ctx, spanOf(ack.Slot()))
	if err != nil {
		return ack, false, err
	}
	ack.Schema, ack.Tool, ack.Recorded = evidence.AckSchema, a.Tool, time.Now().UTC().Truncate(time.Second)
	if have := evidence.InForce(acks[ack.Slot()], ack.Problem, time.Now()); have != nil && have.Says(ack) {
		ack, already = *have, true
	} else if err := a.hasProblem(ctx, ack.Slot(), Kind(ack.Problem)); err != nil {
		return ack, false, err
	}
	for _, taken := used[ack.Key()]; taken && !already; _, taken = used[ack.Key()] { // two in a second
		next := ack.Recorded.Add(time.Second)
		if !fault.Sleep(ctx, time.Until(next)) {
			return ack, false, sink.Ended(ctx)
		}
		ack.Recorded = next
	}
	raw, err := evidence.Encode(ack)
	if err != nil {
		return ack, already, err
	}
	content := sink.Bytes(raw)
	content.About = a.aboutRecord(ack.Slot(), "", "ack.json")
	var errs []error
	for _, t := range a.Sinks {
		if err := t.Put(ctx, ack.Key(), content); err != nil {
			errs = append(errs, fmt.Errorf("sink %s did not take the acknowledgement, repeat this when it does: %w", t.Name, err))
		}
	}
	return ack, already, errors.Join(errs...)
}

// hasProblem returns an error unless a slot is a gap, or has a problem of that
// kind.
func (a *Archive) hasProblem(ctx context.Context, s evidence.Slot, kind Kind) error {
	if kind == "" {
		r, _, err := a.Read(ctx, s)
		switch {
		case errors.Is(err, sink.ErrNotExist):
			return fault.New(fault.Request, "%s has no gap record: no sink has a record of it", s).WithHint("packseal list prints slots; name what packseal verify finds with --problem")
		case err == nil && r.State != evidence.Gapped:
			return fault.New(fault.Request, "%s is no gap: it is sealed", s).WithHint("name what packseal verify finds with --problem")
		}
		return err
	}
	result, err := a.Verify(ctx, Selection{Packs: []Span{spanOf(s)}})
	var found []Kind
	for _, p := range result.Problems {
		if of, ok := p.slot(); ok && of == s {
			found = append(found, p.Kind)
		}
	}
	switch {
	case slices.Contains(found, kind):
		return nil
	case err != nil:
		return err
	case len(found) == 0:
		return fault.New(fault.Request, "verify finds no problem with %s", s).WithHint("packseal verify prints problems; without --problem a gap is acknowledged")
	}
	return fault.New(fault.Request, "verify finds nothing %s with %s", kind, s).WithHint("what it finds is %s", found[0])
}

// slot returns the slot that a problem is of, for an acknowledgement to count. One
// that is not in all sinks, the same in each, can't be what excuses that.
func (p Problem) slot() (s evidence.Slot, ok bool) {
	s, name, ok := evidence.ParseKey(p.Key)
	return s, ok && !(evidence.IsAck(name) && (p.Kind == Unmirrored || p.Kind == Divergent))
}

// ackWindow is how long a period is whose acknowledgements are asked for at once.
const ackWindow = 31 * 24 * time.Hour

// GapAcks returns what finds the acknowledgement of a gap that is in force; nil =
// there is none. It is for one goroutine. For the gaps of a pack, the newest first,
// it lists the sinks once for those of a month.
func (r *reader) GapAcks() func(ctx context.Context, gap evidence.Slot) (*evidence.Ack, error) {
	var in Span
	var acks map[evidence.Slot][]evidence.Ack
	return func(ctx context.Context, gap evidence.Slot) (*evidence.Ack, error) {
		if !in.has(gap) {
			next := Span{gap.Ref(), gap.Due.Add(-ackWindow), gap.Due.Add(time.Second)}
			found, _, err := r.acks(ctx, next)
			if err != nil {
				return nil, err
			}
			in, acks = next, found
		}
		return evidence.InForce(acks[gap], "", time.Now()), nil
	}
}

// acks returns the acknowledgements of a pack's slots that can be read, and the keys
// of all. A sink that can't be listed is logged; it is an error when none can.
func (r *reader) acks(ctx context.Context, in Span) (all map[evidence.Slot][]evidence.Ack, slots map[string]evidence.Slot, err error) {
	all, slots = make(map[evidence.Slot][]evidence.Ack), make(map[string]evidence.Slot)
	var errs []error
	for _, t := range r.sinks {
		if err := in.acks(ctx, t, slots); err != nil {
			errs = append(errs, r.unlisted(ctx, t, evidence.PackDir(in.Source, in.Key()), err))
		}
	}
	if len(errs) == len(r.sinks) {
		return nil, nil, errors.Join(errs...)
	}
	for key, s := range slots {
		ack, _, err := readFirst(ctx, r.sinks, key, func(b []byte) (evidence.Ack, error) { return evidence.DecodeAck(b, key) })
		if err == nil {
			all[s] = append(all[s], ack)
		} else if !evidence.Unreadable(err) && !errors.Is(err, sink.ErrNotExist) {
			return nil, nil, err
		}
	}
	return all, slots, nil
}

// acks adds the keys of the span's acknowledgements that a sink has.
func (s Span) acks(ctx context.Context, t Target, slots map[string]evidence.Slot) error {
	for e, err := range s.list(ctx, t) {
		if err != nil {
			return err
		}
		of, name, ok := evidence.ParseKey(e.Key)
		switch {
		case !ok || of.Ref() != s.PackRef:
		case !s.To.IsZero() && !of.Due.Before(s.To):
			return nil
		case s.has(of) && evidence.IsAck(name):
			slots[e.Key] = of
		}
	}
	return nil
}

// spanOf is the span of one slot.
func spanOf(s evidence.Slot) Span {
	return Span{PackRef: s.Ref(), From: s.Due, To: s.Due.Add(time.Second)}
}

// readAcks reads the acknowledgements among a slot's entries, and returns the others.
func (v *verifying) readAcks(ctx context.Context, t Target, s evidence.Slot, entries []sink.Entry) (others []sink.Entry, err error) {
	for _, e := range entries {
		if !evidence.IsAck(e.Key[len(s.Dir()):]) {
			others = append(others, e)
		} else if err := v.readAck(ctx, t, s, e.Key); err != nil {
			return nil, err
		}
	}
	return others, nil
}

// readAck reads an acknowledgement of a sink.
func (v *verifying) readAck(ctx context.Context, t Target, s evidence.Slot, key string) error {
	raw, err := readRaw(ctx, t, key)
	var sum [sha256.Size]byte
	var ack evidence.Ack
	if err == nil {
		sum = sha256.Sum256(raw)
		ack, err = evidence.DecodeAck(raw, key)
	}
	v.mu.Lock()
	if v.acked[key] == nil {
		v.acked[key] = make(map[string][sha256.Size]byte)
	}
	if v.acked[key][t.Name] = sum; err == nil {
		v.acks[s] = append(v.acks[s], ack)
	}
	v.mu.Unlock()
	if v.unread(err) {
		return nil
	}
	return v.unreadable(t, key, err)
}

// unreadable reports a record that is damaged or newer; any other error is returned.
func (v *verifying) unreadable(t Target, key string, err error) error {
	switch fault.Of(err) {
	case fault.Damaged:
		v.report(t.Name, Malformed, key, "%v", err)
	case fault.Newer:
		v.report(t.Name, Newer, key, "%v", err)
	default:
		return err
	}
	return nil
}

// acknowledge marks the problems that are acknowledged.
func (v *verifying) acknowledge(now time.Time) {
	for i, p := range v.result.Problems {
		s, ok := p.slot()
		if !ok {
			continue
		}
		if ack := evidence.InForce(v.acks[s], string(p.Kind), now); ack != nil {
			v.result.Problems[i].Ack = ack
			v.result.Acked++
		}
	}
}
