package queue

import (
	"encoding/json"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	pullExpiry      = 5 * time.Minute // how long a request is valid
	pullHeartbeat   = time.Minute     // idle, a source costs one message in this time
	sharedHeartbeat = 5 * time.Second // the same, where the server that answers may die without us

	// sharedExpiry is how long a request is valid where other replicas may
	// join: so soon this one requests no more than its new share.
	sharedExpiry = 2 * sharedHeartbeat
)

// What the server says about a request, in the header Status. A message without
// one is a task.
const (
	statusHeartbeat  = "100"
	statusNoMessages = "404"
	statusExpired    = "408"
)

// status returns the header, or "" for a task.
func status(msg *nats.Msg) string { return msg.Header.Get("Status") }

// puller requests one source's messages. It speaks the protocol itself, because of the client's own two ways the
// iterator sometimes forgets to request when it may hold one message only, and
// the batch drops what is on its way when it is canceled.
type puller struct {
	*broker
	sub       *nats.Subscription
	msgs      chan *nats.Msg
	next      string // the subject of requests
	heartbeat time.Duration
	expiry    time.Duration
}

// newPuller returns a puller that never requests more than most messages.
func newPuller(s *stream, source string, most int) (*puller, error) {
	p := &puller{
		broker: s.broker,
		// Room for all tasks that can be requested and what is said between.
		msgs:      make(chan *nats.Msg, 2*most+16),
		next:      s.api + "CONSUMER.MSG.NEXT." + s.prefix.stream() + "." + consumer(source),
		heartbeat: pullHeartbeat, expiry: pullExpiry,
	}
	if s.shared {
		p.heartbeat, p.expiry = sharedHeartbeat, sharedExpiry
	}
	var err error
	p.sub, err = s.conn.ChanSubscribe(s.conn.NewInbox(), p.msgs)
	return p, err
}

// silence is after how long without a message a request is taken for lost.
func (p *puller) silence() time.Duration { return 2*p.heartbeat + min(p.heartbeat, 10*time.Second) }

// request requests n messages. They arrive on p.msgs, as they fall due. How long
// the request is valid is random to a degree, so that it is not the same
// replica's request each time that is the next in line.
func (p *puller) request(n int) error {
	data, err := json.Marshal(struct {
		Batch     int           `json:"batch"`
		Expires   time.Duration `json:"expires"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{n, p.expiry + rand.N(p.heartbeat), p.heartbeat})
	if err != nil {
		return err
	}
	return p.conn.PublishRequest(p.next, p.sub.Subject, data)
}

// close ends the subscription and yields the tasks that have arrived all the
// same. When the flush returns, the server has forgotten the request, and
// whatever it sent before is here.
func (p *puller) close() iter.Seq[*nats.Msg] {
	return func(yield func(*nats.Msg) bool) {
		if p.sub.Drain() != nil || p.conn.FlushTimeout(answerTimeout) != nil {
			return // the connection is gone, and the request with it
		}
		for {
			select {
			case msg := <-p.msgs:
				if msg == nil || status(msg) == "" && !yield(msg) {
					return
				}
			default:
				return
			}
		}
	}
}
