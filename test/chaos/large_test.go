//go:build chaos

package chaos

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestTooLarge: a body of 4 GiB against a maximum of 64 MiB, made while it is
// sent. One whose length is announced is refused before its first byte, one
// without is cut at the maximum, each time until the deadline; both slots are gaps
// then that say so, and the disk is free.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	const size, most = 4 << 30, 64 << 20
	w := newRig(t, []sim.Pack{{ID: "cp-announced"}, {ID: "cp-chunked"}, {ID: "cp-good"}})
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(rand.Uint32())
	}
	copy(block, bytes.Repeat([]byte{0xd0, 0xcf, 0x11, 0xe0}, 4)) // no error page
	var announced, chunked, refused, cut atomic.Int64
	large := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		sent, downloads := &chunked, &cut
		switch {
		case r.URL.Path == "/" || strings.Contains(r.URL.Path, "cp-good"):
			w.serve(rw, r)
			return
		case strings.Contains(r.URL.Path, "cp-announced"):
			sent, downloads = &announced, &refused
			rw.Header().Set("Content-Length", strconv.Itoa(size))
		}
		downloads.Add(1)
		for range size / len(block) {
			n, err := rw.Write(block)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})
	w.broken.Store(&large)
	w.configure(lab.Setup{Fetch: fmt.Sprintf(polls+"stall_after: 20s, max_bytes: %d", most), Packs: []string{"cp-announced, timeout: 8s", "cp-chunked, timeout: 8s", "cp-good"}})
	p := w.start()
	p.Ready()
	before, disk := p.usage(), int64(0)
	p.Eventually(time.Minute, func() string {
		disk = max(disk, taken(filepath.Join(w.Dir, "state", "spool")))
		tooLarge, a := 0, lab.ReadArchive(w.archive)
		for _, e := range a.Slots {
			if e.Gap == "deadline" {
				tooLarge++
			}
		}
		if tooLarge != 2 || a.Sealed() != 1 {
			return fmt.Sprintf("%+v", a.Slots)
		}
		return ""
	})
	p.clears()
	p.calms(before)
	t.Logf("sent %d MiB announced in %d answers, %d MiB without a length in %d; %d MiB in the spool at most; %d MiB of memory at most",
		announced.Load()>>20, refused.Load(), chunked.Load()>>20, cut.Load(), disk>>20, p.memory("VmHWM:"))
	const buffers = 16 << 20 // what the kernel takes of a connection that nobody reads
	if announced.Load() > refused.Load()*buffers || chunked.Load() > cut.Load()*(most+buffers) || chunked.Load() < most {
		t.Error("more, or less, was read than there is to read")
	}
	if disk > most+2<<20 || p.memory("VmHWM:") > 512 {
		t.Error("it took too much disk or memory")
	}
	if n, _ := p.Metric("packseal_failures_total", `reason="too_large"`); n < 2 || int64(n) > refused.Load()+cut.Load() { // the deadline may end the last ones
		t.Errorf("%v failures are counted as too large", n)
	}
	p.ends()
}

// taken is how many bytes the files in a folder have.
func taken(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // gone again
		}
		if fi, err := d.Info(); err == nil {
			n += fi.Size()
		}
		return nil
	})
	return n
}
