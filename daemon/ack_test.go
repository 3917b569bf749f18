package daemon

import (
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/test/lab"
)

// TestGapAcks: page and API of a running daemon show who acknowledged a gap, as soon
// as it is recorded.
func TestGapAcks(t *testing.T) {
	t.Parallel()
	path := lab.Setup{Defaults: `schedule: "0 0 1 1 *", time_zone: UTC, catch_up: 8784h, timeout: 1h`}.Write(t)
	cfg, err := (&ConfigFile{Path: path}).Load()
	if err != nil {
		t.Fatal(err)
	}
	a, err := OpenArchive(t.Context(), cfg, ArchiveOptions{Tool: "packseal/test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	gap := evidence.Slot{Source: lab.Source, Pack: lab.Pack, Due: time.Date(time.Now().UTC().Year()-1, 1, 1, 0, 0, 0, 0, time.UTC)}
	if err := a.Gap(t.Context(), gap, fault.Missed, "test"); err != nil {
		t.Fatal(err)
	}
	d := start(t, path, io.Discard)
	d.await(t, 1)
	const slots = "/api/v1/slots?state=gap&source=" + lab.Source + "&pack=" + lab.Pack
	lab.Eventually(t, "the gap is known", func() bool { return strings.Contains(d.get(t, slots), `"reason":"missed"`) })
	ack, _, err := a.Acknowledge(t.Context(), evidence.Ack{Source: gap.Source, Pack: gap.Pack, Due: gap.Due, Who: "ops", Why: "holiday"})
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Slots []struct{ Ack evidence.Ack } }
	if err := json.Unmarshal([]byte(d.get(t, slots)), &answer); err != nil || len(answer.Slots) != 1 || answer.Slots[0].Ack != ack {
		t.Errorf("the API says %+v, %v; want %+v", answer, err, ack)
	}
	if page := d.get(t, "/packs/"+lab.Source+"/"+lab.Pack); !strings.Contains(page, "Acknowledged by <bdi>ops: holiday</bdi>") {
		t.Errorf("the page says %s", page)
	}
}
