// Package replica is what several processes that do the same work need in
// order to do it together: who is there, a lease for what one of them does for
// all, their share of a limit, notes that outlive each of them, broadcasts, and
// questions that all of them answer. It knows nothing of the work itself.
//
// Everything goes through a NATS server or cluster that all replicas reach:
//
//	lease       a key in a bucket, changed by compare-and-swap      [Lease]
//	notes       keys in the same bucket                             [Notes]
//	heartbeats  messages, stored nowhere                            [Group.Live]
//	limits      the limit, divided by the number of live replicas   [Limit]
//	broadcast   messages, stored nowhere                            [Broadcast]
//	gather      a question and an answer from each live replica     [Group.Gather]
//
// No two clocks are compared: each replica measures how long it has not heard
// of another one.
//
// Nothing here fences. A replica that is suspended or cut off may go on for a
// while as if it were alone: a lease can be held by a process that does not
// know yet that it is lost, and a limit can be passed while members change.
// Whatever is done under a lease or a limit has to be idempotent, or be settled
// by a store that accepts the first writer only.
package replica

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"packseal.example/internal/fault"
)

// Timing is how fast replicas notice one another's changes. It is the same in
// all of them; a zero field means its default.
type Timing struct {
	Heartbeat time.Duration // between two heartbeats; default 5 s
	FailAfter time.Duration // a replica that is not heard for so long is not live; default 15 s

	RetryPeriod   time.Duration // between two attempts to acquire or renew a lease; default 3 s
	RenewDeadline time.Duration // a holder that has not renewed for so long no longer holds it; default 10 s
	LeaseDuration time.Duration // others take a lease that was not renewed for so long; default 20 s, more than RenewDeadline
}

// withDefaults returns the timing with nothing left at zero.
func (t Timing) withDefaults() Timing {
	return Timing{
		Heartbeat:     cmp.Or(t.Heartbeat, 5*time.Second),
		FailAfter:     cmp.Or(t.FailAfter, 15*time.Second),
		RetryPeriod:   cmp.Or(t.RetryPeriod, 3*time.Second),
		RenewDeadline: cmp.Or(t.RenewDeadline, 10*time.Second),
		LeaseDuration: cmp.Or(t.LeaseDuration, 20*time.Second),
	}
}

// requestTimeout bounds one request to the servers.
const requestTimeout = 2 * time.Second

// Options are what a replica needs to join the others. All but Alone, Answer
// and Timing are required.
type Options struct {
	Name   string     // of this replica: unique, and the same after each restart
	Conn   *nats.Conn // closed by the caller, after Run has returned
	Bucket *Bucket
	Prefix string // of the subjects that are used: <prefix>.here and so on
	Logger *slog.Logger
	Alone  bool // there are no other replicas

	// Answer returns what this replica answers to [Group.Gather]. Default: nothing.
	Answer func() []json.RawMessage
	Timing Timing
}

// Group is the replicas, as one of them sees them.
type Group struct {
	o       Options
	members *members
}

// Join makes this replica one of the group: from now on it hears the others
// and answers them. They count it as live once Run has begun.
func Join(o Options) (*Group, error) {
	if o.Name == "" || o.Conn == nil || o.Bucket == nil || o.Prefix == "" || o.Logger == nil {
		return nil, errors.New("replica: Name, Conn, Bucket, Prefix and Logger are required")
	}
	if o.Answer == nil {
		o.Answer = func() []json.RawMessage { return nil }
	}
	o.Timing = o.Timing.withDefaults()
	g := &Group{o: o, members: newMembers(o.Name, o.Timing.FailAfter)}
	if o.Alone {
		return g, nil
	}
	for name, handle := range map[string]nats.MsgHandler{"here": g.heard, "asked": g.reply} {
		if _, err := o.Conn.Subscribe(g.subject(name), handle); err != nil { // it ends with the connection
			return nil, fmt.Errorf("subscribing to other replicas: %w", err)
		}
	}
	return g, nil
}

func (g *Group) subject(name string) string { return g.o.Prefix + "." + name }

// Run sends heartbeats until ctx ends, and then says that this replica is gone,
// so that others need not wait until they miss it.
func (g *Group) Run(ctx context.Context) {
	if g.o.Alone {
		<-ctx.Done()
		return
	}
	g.beat()
	for fault.Sleep(ctx, g.o.Timing.Heartbeat) {
		g.beat()
	}
	err := g.o.Conn.PublishMsg(&nats.Msg{Subject: g.subject("here"), Data: []byte(g.o.Name), Header: nats.Header{leaving: {"true"}}})
	if err = errors.Join(err, g.o.Conn.FlushTimeout(requestTimeout)); err != nil {
		g.o.Logger.DebugContext(ctx, "leaving not announced", "err", err)
	}
}

// beat sends a heartbeat.
func (g *Group) beat() {
	if err := g.o.Conn.Publish(g.subject("here"), []byte(g.o.Name)); err != nil {
		g.o.Logger.Debug("heartbeat not sent", "err", err)
	}
}

// heard takes in a heartbeat. A replica that has just come gets one back at
// once, so that it knows soon how many there are.
func (g *Group) heard(m *nats.Msg) {
	name := string(m.Data)
	switch {
	case len(name) > maxName:
	case m.Header.Get(leaving) != "":
		g.members.left(name)
	case g.members.heard(name, time.Now()) && name != g.o.Name:
		g.beat()
	}
}

const (
	leaving = "packseal-leaving" // the header of a replica's last heartbeat
	maxName = 512                // bounds what is taken for a replica's name, in bytes
)

const (
	chunk     = 256                 // items in one message
	lastChunk = "packseal-complete" // the header of the last message of an answer
)

// answer is one message of a replica's answer.
type answer struct {
	Member string            `json:"member"`
	Items  []json.RawMessage `json:"claims"`
}

// reply answers another replica, in as many messages as it takes.
func (g *Group) reply(m *nats.Msg) {
	items := g.o.Answer()
	for first := true; first || len(items) > 0; first = false {
		some := items[:min(chunk, len(items))]
		items = items[len(some):]
		data, err := json.Marshal(answer{g.o.Name, some})
		if err != nil {
			g.o.Logger.Debug("answer not encoded", "err", err)
			return
		}
		out := &nats.Msg{Data: data, Header: nats.Header{}}
		if len(items) == 0 {
			out.Header.Set(lastChunk, "true")
		}
		if m.RespondMsg(out) != nil {
			return // the connection is gone; the other one does not wait for long
		}
	}
}

// Name returns this replica's name.
func (g *Group) Name() string { return g.o.Name }

// Live returns how many replicas are live, this one included.
func (g *Group) Live() int { return g.members.count() }

// Changed returns a channel that is closed when Live changes.
func (g *Group) Changed() <-chan struct{} { return g.members.watch() }
