package web

import (
	"net/http"
	"strings"
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

// TestLedgerVerdict: the page's first sentence says what is wrong with the ledger, by
// itself or by what verification found, in both languages.
func TestLedgerVerdict(t *testing.T) {
	t.Parallel()
	with := func(kinds ...string) evidence.LedgerStatus {
		l := evidence.LedgerStatus{Origin: "example.com/log"}
		for _, kind := range kinds {
			l.Problems = append(l.Problems, evidence.LedgerProblem{Kind: kind})
		}
		return l
	}
	for name, c := range map[string]struct {
		ledger *evidence.LedgerStatus
		found  map[string]int
		en, zh string // "" = nothing
	}{
		"none":               {nil, nil, "", ""},
		"whole":              {new(with()), nil, "", ""},
		"forked":             {new(with("forked")), nil, "The ledger was rolled back or forked.", "账本被回滚或分叉。"},
		"rolled back":        {new(with("rolled_back")), nil, "The ledger was rolled back or forked.", "账本被回滚或分叉。"},
		"found by verify":    {nil, map[string]int{"rolled_back": 1}, "The ledger was rolled back or forked.", "账本被回滚或分叉。"},
		"altered":            {new(with("altered")), nil, "Somebody without the key wrote into the ledger.", "有人没有密钥而写入了账本。"},
		"clock":              {new(with("clock_offset")), nil, "", ""},
		"unlogged":           {new(with()), map[string]int{"unlogged": 1, "unarchived": 1}, "Archive and ledger disagree on 2 records.", "归档与账本有 2 条记录不符。"},
		"waits":              {&evidence.LedgerStatus{Owed: 3}, nil, "", ""},
		"can't be committed": {&evidence.LedgerStatus{Owed: 3, Error: "down"}, nil, "The ledger could not be appended to: it lacks 3 records.", "账本无法写入，尚缺 3 条记录。"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := options(0, sealedPack("cp-a", "MLPS"))
			if c.ledger != nil {
				opts.Ledger = func() *evidence.LedgerStatus { return c.ledger }
			}
			opts.Status = func() Status { return Status{Verified: Verified{Passed: midnight, Problems: c.found}} }
			h := handler(t, opts)
			for lang, want := range map[string]string{"en": c.en, "zh": c.zh} {
				_, title, _ := strings.Cut(get(h, "/?lang="+lang).Body.String(), "<h1")
				title, _, _ = strings.Cut(title, "</h1>")
				if first := !strings.Contains(title, "edger") && !strings.Contains(title, "账本"); want == "" && !first || !strings.Contains(title, ">"+want) {
					t.Errorf("%s: the first sentence of %q is not %q", lang, title, want)
				}
			}
		})
	}
}
