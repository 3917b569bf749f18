package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

const (
	// answerTimeout bounds an answer to the server. Answers are sent also, and
	// above all, when the context of the work has ended.
	answerTimeout = 5 * time.Second

	// sharedAnswerTimeout is the same where a server may have died: another one
	// must take over first. It is less than ackWait, after which the answer
	// would come too late.
	sharedAnswerTimeout = 20 * time.Second

	// lastAnswerTimeout is the same when all work ends: the process is given
	// some seconds only, and what is not answered is handed out again anyway.
	lastAnswerTimeout = 3 * time.Second

	attemptTimeout = 2 * time.Second        // of one attempt to answer,
	attemptPause   = 100 * time.Millisecond // and the pause before the next
)

// delivery is a message that the server has handed out to this replica.
type delivery struct {
	*nats.Msg
	*broker
	scheduler.Task
}

// decode reads the task, and how often it was handed out.
func (d *delivery) decode() error {
	if err := json.Unmarshal(d.Data, &d.Task); err != nil {
		return err
	}
	meta, err := d.Metadata()
	if err != nil {
		return err
	}
	d.Delivered = int(meta.NumDelivered)
	return nil
}

// settled is the answer that a slot is done with.
var settled = []byte("+ACK")

// putBack is the answer that a slot is to be handed out again after a delay.
// Only a delay, however short, is written to the store, so that it holds after a
// restart as well.
func putBack(delay time.Duration) []byte {
	return fmt.Appendf(nil, `-NAK {"delay": %d}`, max(delay, time.Millisecond))
}

// answer tells the server what has become of the message. It repeats that until
// the server confirms it: only then will nobody get a settled slot again, and
// the connection may be closed next. If it fails, the server hands the task out
// again after [ackWait], which every handler has to expect.
func (d *delivery) answer(ctx context.Context, what []byte) {
	timeout := answerTimeout
	if d.shared {
		timeout = sharedAnswerTimeout
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastAnswerTimeout, cancel) })()
	for {
		attempt, cancel := context.WithTimeout(limited, attemptTimeout)
		_, err := d.conn.RequestWithContext(attempt, d.Reply, what)
		cancel()
		if err == nil {
			return
		}
		if errors.Is(err, nats.ErrConnectionClosed) || !fault.Sleep(limited, attemptPause) {
			d.log.Warn("acknowledgement not confirmed", "source", d.Source, "pack", d.Pack, "due", d.Due, "err", err)
			return
		}
	}
}

// keepAlive tells the server three times per ackWait that work goes on.
func (d *delivery) keepAlive(ctx context.Context) {
	tick := time.NewTicker(ackWait / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// One that is lost does no harm; if all are, the task is handed
			// out again, and the archive decides who was first.
			_ = d.InProgress()
		}
	}
}
