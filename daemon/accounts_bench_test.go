package daemon

import (
	"fmt"
	"io"
	"path/filepath"
	goruntime "runtime"
	"testing"
	"time"

	"packseal.example/control"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// BenchmarkAccounts has a daemon find the member accounts of a directory with five
// packs each, and list all of them again. Each answer of the API takes 20 ms.
func BenchmarkAccounts(b *testing.B) {
	for _, accounts := range []int{200, 600, 2000} {
		b.Run(fmt.Sprint(accounts), func(b *testing.B) {
			members, packs := make([]sim.Account, accounts), []sim.Pack(nil)
			for i := range members {
				members[i].ID = fmt.Sprint(accounts*100_000 + i)
				for j := range 5 {
					packs = append(packs, memberPack(members[i].ID, fmt.Sprintf("cp-%020d", j)))
				}
			}
			l := directory(b, 20*time.Millisecond, members, packs...)
			s := lab.Setup{
				Dir: l.Dir, Endpoint: l.HTTP.URL, Source: "requests_per_second: 1000", Defaults: `schedule: "@yearly", catch_up: 0s`,
				Discover: `refresh: "@yearly", rules: [` + prodRule + "]", Accounts: fmt.Sprintf("role: packseal, endpoint: %q", l.HTTP.URL),
			}
			path := s.Write(b)
			calls := func() (n int) {
				for _, c := range l.Calls() {
					n += c
				}
				return n
			}
			var first, again time.Duration
			for b.Loop() {
				began := time.Now()
				d := start(b, path, io.Discard)
				client := control.NewClient(filepath.Join(s.Dir, "state"))
				for n := 0; n < 5*accounts; time.Sleep(10 * time.Millisecond) {
					if s := d.services.Load(); s != nil {
						n = len(s.entries())
					}
					if time.Since(began) > 5*time.Minute {
						b.Fatalf("%d packs are kept", n)
					}
				}
				first += time.Since(began)
				before := calls()
				began = time.Now()
				all, err := client.Packs(b.Context(), "", true)
				if err != nil || len(all) != accounts+1 {
					b.Fatalf("%d sources, %v", len(all), err)
				}
				again += time.Since(began)
				b.ReportMetric(float64(before), "first-calls")
				b.ReportMetric(float64(calls()-before), "refresh-calls")
				var m goruntime.MemStats
				goruntime.GC()
				goruntime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapInuse)/(1<<20), "heap-MiB")
				families, err := d.Gather()
				if err != nil {
					b.Fatal(err)
				}
				series := 0
				for _, f := range families {
					series += len(f.GetMetric())
				}
				b.ReportMetric(float64(series), "series")
				b.ReportMetric(float64(goruntime.NumGoroutine()), "goroutines")
				d.stop()
			}
			b.ReportMetric(first.Seconds()/float64(b.N), "first-s")
			b.ReportMetric(again.Seconds()/float64(b.N), "refresh-s")
		})
	}
}
