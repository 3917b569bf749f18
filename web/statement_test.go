package web

import (
	"context"
	"net/http"
	"testing"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

func TestStatement(t *testing.T) {
	t.Parallel()
	opts := options(0)
	if got := get(handler(t, opts), "/statement"); got.Code != http.StatusNotFound {
		t.Errorf("without a ledger: %d", got.Code)
	}
	opts.Ledger = shownLedger
	var asked []StatementQuery
	var failure error
	opts.Statement = func(_ context.Context, q StatementQuery) (StatementPage, error) {
		asked = append(asked, q)
		return StatementPage{HTML: []byte("<p>the statement"), Style: "sha256-AAAA"}, failure
	}
	h := handler(t, opts)
	wantAll(t, get(h, "/?lang=zh").Body.String(), `<a href="/statement?lang=zh">本月存证声明</a>`)
	month := get(h, "/statement?lang=zh")
	if to := month.Header().Get("Location"); month.Code != http.StatusFound || len(asked) > 0 {
		t.Errorf("%d to %q", month.Code, to)
	} else if get(h, to); len(asked) != 1 || len(asked[0].From) != 10 || asked[0].From[8:] != "01" || asked[0].Lang != "zh" {
		t.Errorf("%q asks for %+v", to, asked)
	}
	got := get(h, "/statement?from=2026-01-01&to=2026-03-31&zone=Asia/Shanghai")
	wantAll(t, got.Body.String(), "the statement")
	wantAll(t, got.Header().Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-AAAA';", "frame-ancestors 'none'")
	if want := (StatementQuery{"2026-01-01", "2026-03-31", "Asia/Shanghai", "en"}); asked[1] != want {
		t.Errorf("asked for %+v", asked[1])
	}
	for reason, code := range map[fault.Reason]int{
		fault.Request: http.StatusBadRequest, fault.NotFound: http.StatusNotFound, fault.Busy: http.StatusServiceUnavailable, fault.SinkUnavailable: http.StatusServiceUnavailable,
	} {
		failure = fault.New(reason, "the <sink> is down").WithHint("wait")
		got := get(h, "/statement?from=2026-01-01&to=2026-03-31")
		wantAll(t, got.Body.String(), "the &lt;sink&gt; is down", "wait")
		wantNone(t, got.Body.String(), "the statement")
		if got.Code != code {
			t.Errorf("%s: %d, want %d", reason, got.Code, code)
		}
	}
	opts.Ledger = func() *evidence.LedgerStatus { return nil }
	if got := get(handler(t, opts), "/statement?from=2026-01-01&to=2026-03-31"); got.Code != http.StatusNotFound {
		t.Errorf("when the ledger is gone: %d", got.Code)
	}
}
