package queue

import (
	"context"
	"encoding/json"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	pullExpiry      = 5 * time.Minute // how long a request stands
	pullHeartbeat   = time.Minute     // idle, a source costs one message in this time
	spreadHeartbeat = 5 * time.Second // the same, where the server that answers may die without us

	// spreadExpiry is how long a request stands where places may become
	// fewer: so soon what was asked for and did not come can be given up.
	spreadExpiry = 2 * spreadHeartbeat
)

// What the engine says about a request, in the header Status. A message
// without one is a task.
const (
	heartbeat  = "100"
	noMessages = "404"
	expired    = "408"
)

// status returns the header, or "" for a task.
func status(msg *nats.Msg) string { return msg.Header.Get("Status") }

// puller asks the engine for one source's messages, as many as places are
// free. It speaks the protocol itself, because of the client's own two
// ways the iterator sometimes forgets to ask when it may hold one message
// only, and the batch drops what is on its way when it is canceled.
type puller struct {
	conn *nats.Conn
	sub  *nats.Subscription
	msgs chan *nats.Msg
	next string // the subject of requests
	beat time.Duration
	ends time.Duration // how long a request stands
	*places
}

func newPuller(e *engine, source string, places *places) (*puller, error) {
	p := &puller{
		conn: e.conn,
		// Room for all tasks that can be asked for and what is said between.
		msgs: make(chan *nats.Msg, 2*places.bound+16),
		next: e.api + "CONSUMER.MSG.NEXT." + e.prefix.stream() + "." + token(source),
		beat: pullHeartbeat, ends: pullExpiry,
		places: places,
	}
	if e.spread {
		p.beat, p.ends = spreadHeartbeat, spreadExpiry
	}
	var err error
	p.sub, err = e.conn.ChanSubscribe(e.conn.NewInbox(), p.msgs)
	return p, err
}

// silent is after how long without a word a request is taken for lost.
func (p *puller) silent() time.Duration { return 2*p.beat + min(p.beat, 10*time.Second) }

// request asks for n messages. They come on p.msgs, as they fall due. How long
// it stands is left to chance a little, so that it is not the same replica each
// time whose request is the next in line.
func (p *puller) request(n int) error {
	data, err := json.Marshal(struct {
		Batch     int           `json:"batch"`
		Expires   time.Duration `json:"expires"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{n, p.ends + rand.N(p.beat), p.beat})
	if err != nil {
		return err
	}
	return p.conn.PublishRequest(p.next, p.sub.Subject, data)
}

// claim waits for a free place and takes all that are free: how many, and
// until when they are ours. It is 0 when ctx has ended. A task that comes
// meanwhile, for a request that was given up, goes to late.
func (p *puller) claim(ctx context.Context, late func(*nats.Msg)) (n int, lease context.Context) {
	for ctx.Err() == nil {
		if n, lease = p.take(); n > 0 {
			return n, lease
		}
		select {
		case <-ctx.Done():
		case <-p.free:
		case msg := <-p.msgs:
			if status(msg) == "" {
				late(msg)
			}
		}
	}
	return 0, nil
}

// rest ends the subscription and yields the tasks that came all the same.
// When the flush returns, the engine has forgotten the request, and whatever
// it sent before is here.
func (p *puller) rest() iter.Seq[*nats.Msg] {
	return func(yield func(*nats.Msg) bool) {
		if p.sub.Drain() != nil || p.conn.FlushTimeout(answerTime) != nil {
			return // the connection is gone, and the request with it
		}
		for {
			select {
			case msg := <-p.msgs:
				if msg != nil && status(msg) == "" && !yield(msg) {
					return
				}
				if msg == nil {
					return
				}
			default:
				return
			}
		}
	}
}
