package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
	"packseal.example/sink"
)

// Gap records that a slot ended without a report. A slot that is settled already
// stays as it is, and so does one whose report waits in the spool, which
// [Archive.Drain] seals, one whose record was deleted, and one of which every sink has a
// planted gap record. A slot that is being worked on is fault.Busy: what the
// sinks hold of it counts only while nobody can add to it. A gap is recorded once
// one sink has it; sinks that are down then are logged, and get it from Drain.
func (a *Archive) Gap(ctx context.Context, s evidence.Slot, reason fault.Reason, detail string) error {
	err := a.gap(ctx, s, reason, detail)
	if isPlanted(err) {
		a.stuck(ctx, s, err)
		return nil
	}
	return err
}

// gap is Gap, with an error for which isPlanted holds.
func (a *Archive) gap(ctx context.Context, s evidence.Slot, reason fault.Reason, detail string) (err error) {
	ctx, step := trace.Begin(ctx, "gap")
	defer func() { step.End(err) }()
	within, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	entry, err := a.Spool.Lock(within, s)
	if err != nil {
		return err
	}
	if _, whole := entry.Report(); whole {
		return entry.Close()
	}
	have, err := a.find(ctx, s)
	if err != nil {
		return errors.Join(err, entry.Close())
	}
	if err := have.lost(); err != nil {
		a.lost(ctx, s, err)
		return entry.Close()
	}
	defer a.discard(ctx, entry, s)
	if !have.settled() {
		have, err = a.record(ctx, have, s, reason, detail)
	}
	if err != nil || have == nil {
		return err
	}
	if r, _, _, err := have.read(ctx, s); err == nil { // somebody else settled it
		a.observe(r, false)
	}
	return nil
}

// record puts a gap record into the sinks that keep the pack's reports, unless a planted
// one has its place. It returns those in which somebody else recorded one; nil = none.
func (a *Archive) record(ctx context.Context, have *found, s evidence.Slot, reason fault.Reason, detail string) (other *found, err error) {
	g := evidence.NewGap(s, reason, detail, time.Now(), a.Tool).Labelled(a.packs[s.Ref()].Labels)
	raw, err := evidence.Encode(g)
	if err != nil {
		return nil, err
	}
	content := sink.Bytes(raw)
	content.About = a.aboutRecord(s, "", evidence.GapName)
	wanting := a.chosen(a.keeping(ctx, s.Ref()))
	blocked := []error{have.blocked(s, evidence.GapName, wanting)}
	var failed []error
	var first error // of the first sink that has a record of the slot, if it is another one
	recorded := 0
	err = a.log(s.GapKey(), raw, func() error {
		for _, t := range have.lacking(evidence.GapName, wanting) {
			switch err := t.Put(ctx, s.GapKey(), content); {
			case err == nil:
				recorded++
			case fault.Of(err) == fault.Conflict:
				if err := a.yield(ctx, t, s, evidence.GapName); err != nil {
					blocked = append(blocked, err)
					continue
				}
				if recorded == 0 {
					first = err
				}
				other = cmp.Or(other, new(found))
				other.gap = append(other.gap, t)
			default:
				failed = append(failed, fmt.Errorf("recording a gap in sink %s: %w", t.Name, err))
			}
		}
		if first == nil && recorded == 0 {
			return errors.Join(append(failed, blocked...)...)
		}
		return first // somebody else's is the slot's record
	})
	if other == nil && recorded == 0 {
		return nil, err
	}
	err = errors.Join(append(failed, blocked...)...)
	if other == nil {
		a.observe(g.Record(), true)
	}
	if err != nil {
		if len(failed) > 0 {
			a.uncopied(s)
		}
		a.Logger.WarnContext(ctx, "gap not recorded in every sink", "source", s.Source, "pack", s.Pack, "due", s.Due, "err", err)
	}
	return other, nil
}

// discard removes what the spool holds of a slot that has no report.
func (a *Archive) discard(ctx context.Context, e *fetcher.Entry, s evidence.Slot) {
	if err := e.Remove(); err != nil {
		a.Logger.WarnContext(ctx, "spool entry not removed", "source", s.Source, "pack", s.Pack, "due", s.Due, "err", err)
	}
}
