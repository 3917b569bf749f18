package notify

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"packseal.example/internal/fault"
)

// Shared is what several replicas have in common, so that one of them tells
// for all, and the next one knows what was told. Its methods may be called
// from many goroutines.
type Shared interface {
	// Tells reports whether this replica is the one that tells now.
	Tells() bool
	// Read returns what was written by any replica, by key.
	Read(ctx context.Context) (map[string][]byte, error)
	// Write keeps a value of some hundred bytes under a key.
	Write(ctx context.Context, key string, value []byte) error
}

// own reports whether an event is of this replica alone, and so told by it,
// whoever tells the others: the file it loads, the archive it verifies.
func (k Kind) own() bool { return k == Findings || k == ReloadFailed }

// turnEvery is how often it is looked who tells.
const turnEvery = time.Second

// takeTurns sees to it that this replica knows what was told before it begins
// to tell.
func (n *Notices) takeTurns(ctx context.Context) {
	for fault.Sleep(ctx, turnEvery) {
		tells, known := n.Shared.Tells(), n.knows.Load()
		if tells && !known {
			if err := n.learn(ctx); err != nil {
				n.Logger.WarnContext(ctx, "what was told can't be read yet: until then nothing is", "err", err)
				continue
			}
		}
		if tells == known {
			continue
		}
		n.knows.Store(tells)
		n.mu.Lock()
		for _, c := range n.couriers {
			c.count()
			c.rouse()
		}
		n.mu.Unlock()
	}
}

// may reports whether what all replicas know may be told by this one now.
func (n *Notices) may() bool { return n.Shared == nil || n.knows.Load() && n.Shared.Tells() }

// learn takes up what other replicas have told, and drops what is no news any
// more.
func (n *Notices) learn(ctx context.Context) error {
	values, err := n.Shared.Read(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.couriers {
		if t, ok := decodeTold(values, c.Name); ok {
			c.learn(t)
		}
	}
	return nil
}

// learn adds what other replicas have told the channel; what is written of a
// pack is later than what this replica kept.
func (c *courier) learn(t told) {
	all := c.saved.copy()
	if all.Packs == nil {
		all.Packs = make(map[string]standing)
	}
	maps.Copy(all.Packs, t.Packs)
	if all.Since = t.Since; t.Digest.After(all.Digest) {
		all.Digest = t.Digest
	}
	c.saved = all
	c.queued = all.copy()
	pending := c.pending
	c.pending = nil
	for _, e := range pending {
		if c.queued.news(e.Event) {
			c.queued.note(e.Event)
			c.pending = append(c.pending, e)
		}
	}
	c.count()
}

// share writes down for other replicas what the channel was told of these
// events, and until when its digests reach.
func (c *courier) share(ctx context.Context, events []Event) {
	if c.all.Shared == nil {
		return
	}
	c.all.mu.Lock()
	t := c.saved.copy()
	c.all.mu.Unlock()
	for key, value := range t.encode(c.Name, events) {
		if err := c.all.Shared.Write(ctx, key, value); err != nil {
			c.all.Logger.WarnContext(ctx, "other replicas do not know what was told: one may tell it again", "channel", c.Name, "err", err)
			return
		}
	}
}

// The keys of what a channel was told: its name, for all but packs, and that
// with the pack's key, for what it knows of the pack. Names hold no slash.

// encode returns what is to be written after these events were told.
func (t told) encode(channel string, events []Event) map[string][]byte {
	values := make(map[string][]byte)
	put := func(key string, v any) {
		values[key], _ = json.Marshal(v) // it has nothing that JSON can't say
	}
	for _, e := range events {
		if s, ok := t.Packs[e.key()]; ok && !e.Kind.own() {
			put(channel+"/"+e.key(), s)
		}
	}
	t.Packs, t.Findings = nil, nil
	put(channel, t)
	return values
}

// decodeTold returns what a channel was told, if anything was written of it.
func decodeTold(values map[string][]byte, channel string) (t told, ok bool) {
	if json.Unmarshal(values[channel], &t) != nil || t.Since.IsZero() {
		return t, false
	}
	t.Packs = make(map[string]standing)
	for key, value := range values {
		of, pack, _ := strings.Cut(key, "/")
		var s standing
		if of == channel && pack != "" && json.Unmarshal(value, &s) == nil {
			t.Packs[pack] = s
		}
	}
	return t, true
}
