package web

import (
	"net/http"
	"testing"

	"packseal.example/internal/evidence"
)

// shownLedger is a ledger with everything that can be said of one.
func shownLedger() *evidence.LedgerStatus {
	return &evidence.LedgerStatus{
		Origin: "example.com/log", Size: 1234, Root: "AAAA=", Line: "ledger example.com/log 1234 AAAA=", Batches: 17, Committed: midnight, Owed: 3,
		Keys:      []string{"example.com/log+00000000+AAAA"},
		Problems:  []evidence.LedgerProblem{{Kind: "void", Sink: "primary", Key: "packseal-ledger/batch/016", Detail: "no key signed it"}},
		Stamps:    []evidence.LedgerAnchor{{Name: "tsa", Size: 1234, At: midnight, Offset: new(int64)}, {Name: "other"}},
		Witnesses: []evidence.LedgerAnchor{{Name: "w1", Error: "<down>", Hint: "wait"}},
		Error:     "the <sink> is down", Hint: "wait",
	}
}

// TestLedgerShows: the page has the line to be noted elsewhere, in both languages; where
// there is no ledger nothing is said of one.
func TestLedgerShows(t *testing.T) {
	t.Parallel()
	opts := options(0, sealedPack("cp-a", "MLPS"))
	none := handler(t, opts)
	wantNone(t, get(none, "/").Body.String(), "edger")
	if got := get(none, "/api/v1/ledger"); got.Code != http.StatusNotFound {
		t.Errorf("without a ledger: %d %s", got.Code, got.Body)
	}
	opts.Ledger = shownLedger
	h := handler(t, opts)
	wantAll(t, get(h, "/").Body.String(), "could not be appended to: <bdi>the &lt;sink&gt; is down</bdi>", "Ledger problem: <bdi>void: packseal-ledger/batch/016: no key signed it</bdi>", "Ledger, to be noted elsewhere: <code>ledger example.com/log 1234 AAAA=</code>")
	wantAll(t, get(h, "/?lang=zh").Body.String(), "账本，请另行留存此行： <code>ledger example.com/log 1234 AAAA=</code>")
	wantAll(t, get(h, "/").Body.String(), `Time-stamped last: <bdi>tsa</bdi> <time datetime="`, "<bdi>other</bdi> <small>none yet</small>", "Cosigned last: <bdi>w1</bdi> <small>none yet</small> <small><bdi>&lt;down&gt;</bdi></small>")
	wantAll(t, get(h, "/?lang=zh").Body.String(), "最近一次加盖时间戳： <bdi>tsa</bdi>", "最近一次见证签名： <bdi>w1</bdi>")
	wantAll(t, get(h, "/api/v1/ledger").Body.String(), `"line":"ledger example.com/log 1234 AAAA="`, `"owed":3`, `"kind":"void"`, `"stamps":[{"name":"tsa","size":1234,"at":`, `"offset_seconds":0`)
	opts.Ledger = func() *evidence.LedgerStatus { return &evidence.LedgerStatus{Origin: "example.com/log"} }
	wantNone(t, get(handler(t, opts), "/").Body.String(), "Ledger")
}
