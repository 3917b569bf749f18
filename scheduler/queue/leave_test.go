package queue

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/test/lab"
)

// TestClusterLeave: a replica that is stopped while it is at work gives its
// slot back, and another has it soon, also when the first led the others. An
// answer that gets lost, as may happen once on a busy machine, costs ackWait.
func TestClusterLeave(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	r.start(t, 0, 1, 2)
	slow := 0
	for _, pack := range []string{"cp-1", "cp-2", "cp-3"} {
		lab.Eventually(t, "all are up to date", func() bool { return current(t, r.queues[0]) == 3 })
		at, settle := make(chan int, 3), make(chan struct{})
		var stops [3]func()
		for i, q := range r.queues {
			stops[i] = work(t, q, 1, func(ctx context.Context, _ scheduler.Task) time.Duration {
				at <- i
				select {
				case <-settle:
					return 0
				case <-ctx.Done():
					return time.Hour
				}
			})
		}
		publish(t, r.queues[0], task(pack, 0))
		first := receive(t, at)
		began := time.Now()
		stops[first]()
		r.stop(first)
		next := receive(t, at)
		if time.Since(began) > ackWait/2 {
			slow++
		}
		if next == first || slow > 1 {
			t.Errorf("after %d, %d has it %v later; %d took that long", first, next, time.Since(began), slow)
		}
		close(settle)
		r.start(t, first)
		emptied(t, r.queues[first])
		for i, stop := range stops {
			if i != first {
				stop()
			}
		}
	}
}

// TestQuorum: what a server answers that was left alone, or that looks for a
// leader in vain, is not taken for a queue.
func TestQuorum(t *testing.T) {
	t.Parallel()
	here, gone, silent := &jetstream.PeerInfo{}, &jetstream.PeerInfo{Offline: true}, &jetstream.PeerInfo{Active: time.Minute}
	for name, c := range map[string]struct {
		info *jetstream.ClusterInfo
		good bool
	}{
		"no cluster": {nil, true},
		"one copy":   {&jetstream.ClusterInfo{Leader: "a"}, true},
		"all":        {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{here, here}}, true},
		"two":        {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{here, gone}}, true},
		"alone":      {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{silent, gone}}, false},
		"no leader":  {&jetstream.ClusterInfo{Replicas: []*jetstream.PeerInfo{here, here}}, false},
	} {
		if err := quorum(c.info); err == nil != c.good || !c.good && fault.Of(err) != fault.NotReady {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRefusalHint: what replicas that do not know one another say of it gets a
// hint, and what else the server logs does not.
func TestRefusalHint(t *testing.T) {
	t.Parallel()
	for says, about := range map[string]string{
		"127.1.1.3:6222 - rid:9 - Route Error 'Authorization Violation'":                                     "token_file",
		`127.0.0.1:4 - rid:9 - authentication error - User "packseal"`:                                       "token_file",
		"127.0.0.1:4 - rid:9 - TLS route handshake error: x509: certificate signed by unknown authority":     "ca_file",
		"Error trying to connect to route (attempt 1): dial tcp 127.1.1.3:6222: connect: connection refused": "",
		`127.0.0.1:4 - cid:9 - authentication error - User "somebody"`:                                       "",
	} {
		if hint := refusalHint(says); !strings.Contains(hint, about) || (about == "") != (hint == "") {
			t.Errorf("%q: %q", says, hint)
		}
	}
}
