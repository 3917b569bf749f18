package archive_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

// A slot is sealed once, whoever asks for it and how often.
func ExampleArchive_Seal() {
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	spool, err := fetcher.OpenSpool(dir)
	if err != nil {
		panic(err)
	}
	const report = "not compliant: 3 resources"
	a, err := archive.New(archive.Options{
		Sinks: []archive.Target{{Name: "memory", Sink: sink.NewMemory()}},
		Spool: spool,
		Fetch: func(_ context.Context, e *fetcher.Entry, s evidence.Slot) (fetcher.Report, error) {
			fmt.Println("fetched", s)
			sum := fmt.Sprintf("%x", sink.Bytes([]byte(report)).SHA256)
			r := fetcher.Report{Ticket: fetcher.Ticket{Slot: s}, Container: evidence.HTML, Size: int64(len(report)), SHA256: sum}
			if err := e.Import(strings.NewReader(report), r.Size, sum); err != nil {
				return r, err
			}
			return r, e.SaveReport(r)
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	slot := evidence.Slot{Source: "prod", Pack: "cp-1", Due: time.Date(2026, time.May, 1, 18, 0, 0, 0, time.UTC)}
	for range 2 {
		r, err := a.Seal(context.Background(), slot, time.Now().Add(time.Hour))
		if err != nil {
			panic(err)
		}
		fmt.Println(r.State, r.Size, r.Object)
	}
	// Output:
	// fetched prod/cp-1@20260501T180000Z
	// sealed 26 prod/cp-1/2026/05/20260501T180000Z/report-25729d11a492.html
	// sealed 26 prod/cp-1/2026/05/20260501T180000Z/report-25729d11a492.html
}
