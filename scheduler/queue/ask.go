package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"packseal.example/internal/fault"
)

const (
	beatEvery = 5 * time.Second     // between two signs of life
	beatsLost = 3 * beatEvery       // after which nobody waits for a replica's answer
	forgotten = 24 * time.Hour      // after which it is not spoken of any more
	gatherFor = 2 * time.Second     // how long answers are waited for at most
	gatherMin = beatEvery / 20      // and at least: somebody may be new
	someSlots = 256                 // in one answer, so that it fits into a message
	lastSlots = "packseal-complete" // the header of a replica's last answer
)

// Where replicas give signs of life, where each is asked what it knows, and
// where they say that what is paused has changed. Nothing of it is stored.
func (p prefix) here() string    { return string(p) + ".here" }
func (p prefix) asked() string   { return string(p) + ".asked" }
func (p prefix) changed() string { return string(p) + ".changed" }

// Member is a replica.
type Member struct {
	Name    string    `json:"member"`
	Self    bool      `json:"self,omitempty"` // the one that was asked
	Answers bool      `json:"answers"`
	Heard   time.Time `json:"heard,omitzero"` // when it was heard last; only of one that does not answer
}

// roster is who was heard when.
type roster struct {
	mu    sync.Mutex
	heard map[string]time.Time
}

// hear notes a sign of life.
func (r *roster) hear(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.heard == nil {
		r.heard = make(map[string]time.Time)
	}
	r.heard[name] = time.Now()
}

// others returns who was heard, and when.
func (r *roster) others() map[string]time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.heard, func(_ string, at time.Time) bool { return time.Since(at) > forgotten })
	return maps.Clone(r.heard)
}

// attendOthers gives signs of life and answers questions until ctx ends.
func (q *JetStream) attendOthers(ctx context.Context) error {
	hear := func(m *nats.Msg) {
		if name := string(m.Data); name != q.member && len(name) < 512 {
			q.roster.hear(name)
		}
	}
	look := func(*nats.Msg) {
		if err := q.pauses.load(ctx); err != nil {
			q.log.DebugContext(ctx, "what is paused could not be looked up", "err", err) // it is soon, by the clock
		}
	}
	for subject, do := range map[string]nats.MsgHandler{
		q.engine.prefix.here(): hear, q.engine.prefix.asked(): q.reply, q.engine.prefix.changed(): look,
	} {
		if _, err := q.engine.conn.Subscribe(subject, do); err != nil { // it ends with the connection
			return fmt.Errorf("listening to other replicas: %w", err)
		}
	}
	q.attending.Go(func() {
		for {
			if err := q.engine.conn.Publish(q.engine.prefix.here(), []byte(q.member)); err != nil {
				q.log.DebugContext(ctx, "no sign of life could be given", "err", err)
			}
			if !fault.Sleep(ctx, beatEvery) {
				return
			}
		}
	})
	return nil
}

// answer is one of a replica's answers to what it knows.
type answer struct {
	Member string  `json:"member"`
	Claims []claim `json:"claims"`
}

// reply tells another replica what this one knows, in as many messages as it takes.
func (q *JetStream) reply(m *nats.Msg) {
	claims := q.book.claims()
	for first := true; first || len(claims) > 0; first = false {
		some := claims[:min(someSlots, len(claims))]
		claims = claims[len(some):]
		data, err := json.Marshal(answer{q.member, some})
		if err != nil {
			q.log.Debug("an answer could not be encoded", "err", err)
			return
		}
		out := &nats.Msg{Data: data, Header: nats.Header{}}
		if len(claims) == 0 {
			out.Header.Set(lastSlots, "true")
		}
		if m.RespondMsg(out) != nil {
			return // the connection is gone; the other one does not wait for long
		}
	}
}

// ask returns what all replicas say of slots, by subject, and who they are. A
// slot at work is the word that counts; then that of who had it last.
func (q *JetStream) ask(ctx context.Context) (map[string]claim, []Member) {
	all := make(map[string]claim)
	q.take(all, answer{q.member, q.book.claims()})
	members := []Member{{Name: q.member, Self: true, Answers: true}}
	if !q.engine.spread {
		return all, members
	}
	answered := q.gather(ctx, all)
	for name, at := range q.roster.others() {
		if !answered[name] {
			members = append(members, Member{Name: name, Heard: at.UTC().Truncate(time.Millisecond)})
		}
	}
	for name := range answered {
		members = append(members, Member{Name: name, Answers: true})
	}
	slices.SortFunc(members[1:], func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return all, members
}

// take adds an answer to what is known.
func (q *JetStream) take(all map[string]claim, a answer) {
	for _, c := range a.Claims {
		c.Member = a.Member
		subject := q.engine.prefix.subject(c.Source, c.Pack)
		is, ok := all[subject]
		if !ok || c.Due.After(is.Due) || c.Due.Equal(is.Due) && !is.Working && (c.Working || c.Delivered > is.Delivered) {
			all[subject] = c
		}
	}
}

// gather asks the other replicas, adds what they say, and returns who answered.
// It does not wait for who was not heard lately.
func (q *JetStream) gather(ctx context.Context, all map[string]claim) (answered map[string]bool) {
	answered = make(map[string]bool)
	await := q.roster.others()
	maps.DeleteFunc(await, func(_ string, at time.Time) bool { return time.Since(at) > beatsLost })
	inbox, answers := q.engine.conn.NewInbox(), make(chan *nats.Msg, 1024)
	sub, err := q.engine.conn.ChanSubscribe(inbox, answers)
	if err != nil {
		return answered
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection is gone, and the subscription with it
	if q.engine.conn.PublishRequest(q.engine.prefix.asked(), inbox, nil) != nil {
		return answered
	}
	least, most := time.NewTimer(gatherMin), time.NewTimer(gatherFor)
	defer least.Stop()
	defer most.Stop()
	for waited := false; !waited || len(await) > 0; {
		select {
		case <-ctx.Done():
			return answered
		case <-most.C:
			return answered
		case <-least.C:
			waited = true
		case m := <-answers:
			var a answer
			if json.Unmarshal(m.Data, &a) != nil || a.Member == "" || a.Member == q.member {
				continue
			}
			q.take(all, a)
			if m.Header.Get(lastSlots) != "" {
				answered[a.Member] = true
				delete(await, a.Member)
			}
		}
	}
	return answered
}
