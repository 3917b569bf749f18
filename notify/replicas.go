package notify

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"packseal.example/internal/fault"
)

// Replicas is what several replicas have in common, so that one of them, the
// leader, sends for all, and the next one knows what was sent. Its methods may be
// called from several goroutines.
type Replicas interface {
	// IsLeader reports whether this replica is the leader now.
	IsLeader() bool
	// Read returns what any replica has written, by key.
	Read(ctx context.Context) (map[string][]byte, error)
	// Write stores a value of some hundred bytes under a key.
	Write(ctx context.Context, key string, value []byte) error
}

// leaderPoll is how often leadership is checked.
const leaderPoll = time.Second

// isLeader reports whether this replica may send events that all replicas know.
func (n *Notices) isLeader() bool {
	return n.opts.Replicas == nil || n.caughtUp.Load() && n.opts.Replicas.IsLeader()
}

// followLeader has a new leader read what was sent before it begins to send.
func (n *Notices) followLeader(ctx context.Context) {
	for fault.Sleep(ctx, leaderPoll) {
		leader, caughtUp := n.opts.Replicas.IsLeader(), n.caughtUp.Load()
		if leader && !caughtUp {
			if err := n.catchUp(ctx); err != nil {
				n.opts.Logger.WarnContext(ctx, "notification log not read", "err", err)
				continue
			}
		}
		if leader == caughtUp {
			continue
		}
		n.caughtUp.Store(leader)
		n.mu.Lock()
		for _, d := range n.dispatchers {
			d.showPending()
			d.signal()
		}
		n.mu.Unlock()
	}
}

// catchUp merges what other replicas have sent.
func (n *Notices) catchUp(ctx context.Context) error {
	values, err := n.opts.Replicas.Read(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.dispatchers {
		if log, ok := decodeLog(values, d.Name); ok {
			d.merge(log)
			d.showPending()
		}
	}
	return nil
}

// share writes for other replicas what the channel was sent about these events'
// packs, and the end of its last digest's period.
func (d *dispatcher) share(ctx context.Context, events []Event) {
	replicas := d.all.opts.Replicas
	if replicas == nil {
		return
	}
	d.all.mu.Lock()
	log := d.sent.clone()
	d.all.mu.Unlock()
	for key, value := range log.encode(d.Name, events) {
		if err := replicas.Write(ctx, key, value); err != nil {
			d.all.opts.Logger.WarnContext(ctx, "notification log not shared", "channel", d.Name, "err", err)
			return
		}
	}
}

// merged returns the log with that of another replica added. What the other one
// has of a pack is newer.
func (l channelLog) merged(other channelLog) channelLog {
	l = l.clone()
	if l.Packs == nil {
		l.Packs = make(map[string]packLog)
	}
	maps.Copy(l.Packs, other.Packs)
	l.Since = other.Since
	if other.Digest.After(l.Digest) {
		l.Digest = other.Digest
	}
	return l
}

// encode returns what is written for other replicas after these events were sent:
// under the channel's name the log without its packs, and under
// <channel>/<source>/<pack> what it has of a pack. Channels' names have no slash.
func (l channelLog) encode(channel string, events []Event) map[string][]byte {
	values := make(map[string][]byte)
	put := func(key string, v any) {
		values[key], _ = json.Marshal(v) // cannot fail for these types
	}
	for _, e := range events {
		if p, ok := l.Packs[e.pack()]; ok && !e.Kind.perReplica() {
			put(channel+"/"+e.pack(), p)
		}
	}
	l.Packs, l.Problems = nil, nil
	put(channel, l)
	return values
}

// decodeLog returns a channel's log, if any replica has written one.
func decodeLog(values map[string][]byte, channel string) (l channelLog, ok bool) {
	if json.Unmarshal(values[channel], &l) != nil || l.Since.IsZero() {
		return l, false
	}
	l.Packs = make(map[string]packLog)
	for key, value := range values {
		name, pack, _ := strings.Cut(key, "/")
		var p packLog
		if name == channel && pack != "" && json.Unmarshal(value, &p) == nil {
			l.Packs[pack] = p
		}
	}
	return l, true
}
