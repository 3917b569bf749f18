//go:build chaos

package chaos

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestScrapes sends 10,000 scrapes at the same moment, each over a connection
// of its own that is open before and stays so. Each is answered, or refused
// cleanly; reports are sealed meanwhile; and what it took is given back.
func TestScrapes(t *testing.T) {
	t.Parallel()
	const many = 10_000
	needFiles(t, 12_000)
	w := newRig(t, []sim.Pack{{ID: "cp-ticking"}})
	w.configure(lab.Setup{Defaults: `schedule: "*/2 * * * * *", catch_up: 0s, timeout: 1m`, Packs: []string{"cp-ticking"}})
	p := w.start()
	p.Ready()
	before := p.usage()
	conns := p.connect(many)
	var whole, refused atomic.Int32
	var all sync.WaitGroup
	for _, c := range conns {
		all.Go(func() {
			status, err := scrapeOver(c)
			switch {
			case err != nil:
				t.Errorf("a scrape: %v", err)
			case status == http.StatusOK:
				whole.Add(1)
			case status == http.StatusServiceUnavailable:
				refused.Add(1)
			default:
				t.Errorf("a scrape answers %d", status)
			}
		})
	}
	all.Wait()
	sealed := lab.ReadRecords(w.archive).Sealed()
	p.Eventually(lab.Patience, func() string { // with all connections open still
		if n := lab.ReadRecords(w.archive).Sealed(); n < sealed+2 {
			return fmt.Sprintf("%d sealed, it was %d", n, sealed)
		}
		return ""
	})
	during := p.usage()
	for _, c := range conns {
		_ = c.Close()
	}
	p.calms(before)
	t.Logf("%d scrapes answered, %d refused; before %+v, meanwhile %+v, afterwards %+v, %d MiB at most",
		whole.Load(), refused.Load(), before, during, p.usage(), p.memory("VmHWM:"))
	if whole.Load() == 0 || during.files < many || p.memory("VmHWM:") > 768 {
		t.Errorf("%d answers, %+v meanwhile, %d MiB at most", whole.Load(), during, p.memory("VmHWM:"))
	}
	p.ends()
}

// connect opens so many connections to the page, a few at a time: the kernel
// lets no more than some thousand wait for the process to take them.
func (p *process) connect(n int) []net.Conn {
	p.rig.t.Helper()
	host := strings.TrimPrefix(p.URL(), "http://")
	conns := make([]net.Conn, n)
	var group sync.WaitGroup
	for worker := range 50 {
		group.Go(func() {
			for i := worker; i < n; i += 50 {
				c, err := net.DialTimeout("tcp", host, 20*time.Second)
				if err != nil {
					p.rig.t.Errorf("connection %d: %v", i, err)
					return
				}
				conns[i] = c
			}
		})
	}
	if group.Wait(); p.rig.t.Failed() {
		p.rig.t.FailNow()
	}
	return conns
}

// scrapeOver asks for /metrics over a connection and reads the whole answer.
func scrapeOver(c net.Conn) (status int, err error) {
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: packseal\r\n\r\n"); err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode == http.StatusOK && !strings.Contains(string(body), "packseal_build_info") {
		err = fmt.Errorf("an answer of %d bytes is not whole", len(body))
	}
	return answer.StatusCode, err
}
