package replica

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	gatherTimeout = 2 * time.Second        // how long answers are waited for at most,
	gatherMin     = 250 * time.Millisecond // and at least: a replica may have joined just now
)

// Gather asks all replicas, hands each part of an answer to add, this replica's
// own first, and returns who they are: this one, then the others by name. It
// waits for those that are live, some seconds at most.
func (g *Group) Gather(ctx context.Context, add func(member string, items []json.RawMessage)) []Member {
	add(g.o.Name, g.o.Answer())
	members := []Member{{Name: g.o.Name, Self: true, Answers: true}}
	if g.o.Alone {
		return members
	}
	live, gone := g.members.others()
	answered := g.ask(ctx, live, add)
	for _, silent := range []map[string]time.Time{live, gone} {
		for name, at := range silent {
			if !answered[name] {
				members = append(members, Member{Name: name, Heard: at.UTC().Truncate(time.Millisecond)})
			}
		}
	}
	for name := range answered {
		members = append(members, Member{Name: name, Answers: true})
	}
	slices.SortFunc(members[1:], func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return members
}

// ask asks the other replicas and returns which of them have answered, as soon
// as those that are live have.
func (g *Group) ask(ctx context.Context, live map[string]time.Time, add func(string, []json.RawMessage)) (answered map[string]bool) {
	answered = make(map[string]bool)
	inbox, answers := g.o.Conn.NewInbox(), make(chan *nats.Msg, 1024)
	sub, err := g.o.Conn.ChanSubscribe(inbox, answers)
	if err != nil {
		return answered
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection is gone, and the subscription with it
	if g.o.Conn.PublishRequest(g.subject("asked"), inbox, nil) != nil {
		return answered
	}
	missing := len(live)
	least, most := time.NewTimer(gatherMin), time.NewTimer(gatherTimeout)
	defer least.Stop()
	defer most.Stop()
	for waited := false; !waited || missing > 0; {
		select {
		case <-ctx.Done():
			return answered
		case <-most.C:
			return answered
		case <-least.C:
			waited = true
		case m := <-answers:
			var a answer
			if json.Unmarshal(m.Data, &a) != nil || a.Member == "" || a.Member == g.o.Name {
				continue
			}
			add(a.Member, a.Items)
			if m.Header.Get(lastChunk) != "" && !answered[a.Member] {
				answered[a.Member] = true
				if _, ok := live[a.Member]; ok {
					missing--
				}
			}
		}
	}
	return answered
}
