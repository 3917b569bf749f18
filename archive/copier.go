package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// copier copies what belongs to slots from some sinks to others. It passes on a record
// only if the ledger has an entry of it or, where there is no ledger, if it is a good one;
// and a report only if it is what such a manifest says.
type copier struct {
	*Archive
	from    []Target
	vouched vouched
	problem func(Problem) // is told of each copy that is not what it should be; from many goroutines

	bad      map[place]bool // records that are none: some were planted
	unlogged bool           // copy also records that the ledger has no entry of; they are problems all the same
}

func (c *copier) tell(k Kind, t Target, key, format string, args ...any) {
	c.problem(Problem{Kind: k, Sink: t.Name, Key: key, Detail: fmt.Sprintf(format, args...)})
}

// pick reads a record from the first sink that has one to be passed on, and says
// which that is. The error is sink.ErrNotExist when none has.
func pick[T any](ctx context.Context, c *copier, key string, decode func([]byte) (T, error)) (v T, raw []byte, from Target, err error) {
	var unread []error
	for _, t := range c.from {
		if c.bad[place{t.Name, key}] {
			continue
		}
		v, raw, err := readRecord(ctx, t, key, decode)
		switch fault.Of(err) {
		case "":
			if c.stands(t, key, raw) {
				return v, raw, t, nil
			}
		case fault.Damaged:
			c.tell(Malformed, t, key, "%v", err)
		case fault.Newer:
			c.tell(Newer, t, key, "%v", err)
		default:
			if !errors.Is(err, sink.ErrNotExist) {
				unread = append(unread, fmt.Errorf("reading %s from sink %s: %w", key, t.Name, err))
			}
		}
	}
	if len(unread) > 0 {
		return v, nil, from, errors.Join(unread...)
	}
	return v, nil, from, sink.NotExist(key)
}

// stands reports whether a sink's record is to be passed on by what the ledger says.
func (c *copier) stands(t Target, key string, raw []byte) bool {
	k := c.vouched.against(key, raw)
	switch k {
	case Altered:
		c.tell(k, t, key, "the ledger has an entry of other bytes")
	case Unlogged:
		c.tell(k, t, key, "the ledger has no entry of it")
	}
	return k == "" || k == Unlogged && c.unlogged
}

// manifest reads a slot's manifest as it is to be passed on.
func (c *copier) manifest(ctx context.Context, s evidence.Slot) (evidence.Manifest, []byte, error) {
	m, raw, _, err := pick(ctx, c, s.ManifestKey(), func(b []byte) (evidence.Manifest, error) { return evidence.DecodeManifest(b, s) })
	return m, raw, err
}

// gap reads a slot's gap record as it is to be passed on.
func (c *copier) gap(ctx context.Context, s evidence.Slot) ([]byte, error) {
	_, raw, _, err := pick(ctx, c, s.GapKey(), func(b []byte) (evidence.Gap, error) { return evidence.DecodeGap(b, s) })
	return raw, err
}

// report returns the report of a manifest from the first sink whose report is what the
// manifest says, and which that is. The error is sink.ErrNotExist if none has it.
func (c *copier) report(ctx context.Context, m evidence.Manifest) (body, Target, error) {
	var unread []error
	for _, t := range c.from {
		b, err := checked(ctx, t, m)
		switch {
		case err == nil:
			return b, t, nil
		case errors.Is(err, errAbsent):
		case fault.Of(err) == fault.Damaged:
			c.tell(Altered, t, m.ReportKey(), "it %s", strings.TrimPrefix(err.Error(), m.ReportKey()+" "))
		default:
			unread = append(unread, fmt.Errorf("sink %s: %w", t.Name, err))
		}
	}
	if len(unread) > 0 {
		return nil, Target{}, errors.Join(unread...)
	}
	return nil, Target{}, sink.NotExist(m.ReportKey())
}

// seal puts a slot's report and then its manifest into a sink that lacks one of them.
func (c *copier) seal(ctx context.Context, m evidence.Manifest, raw []byte, to Target) error {
	b, _, err := c.report(ctx, m)
	if err != nil {
		return err
	}
	defer b.Close() //nolint:errcheck // read only
	return c.put(ctx, &delivery{Manifest: m, raw: raw, body: b}, to, "")
}

// putRecord puts a record of that name of a slot into a sink.
func (c *copier) putRecord(ctx context.Context, s evidence.Slot, name string, raw []byte, to Target) error {
	content := sink.Bytes(raw)
	content.About = c.aboutRecord(s, "", name)
	if err := to.Put(ctx, s.Dir()+name, content); err != nil {
		return fmt.Errorf("copying %s to sink %s: %w", s.Dir()+name, to.Name, err)
	}
	return nil
}
