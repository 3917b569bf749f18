package daemon

import (
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/config"
	"packseal.example/internal/fault"
	"packseal.example/web"
)

func TestStatementPeriod(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 2, 3, 4, 5, 6, 7, time.UTC)
	cfg := &config.Config{Defaults: config.Defaults{TimeZone: "Asia/Shanghai"}}
	for name, c := range map[string]struct {
		query       web.StatementQuery
		from, until string // "" = it is refused
	}{
		"default zone": {web.StatementQuery{From: "2026-01-01", To: "2026-03-31"}, "2025-12-31T16:00:00Z", "2026-03-31T16:00:00Z"},
		"zone":         {web.StatementQuery{From: "2026-01-01", To: "2026-01-01", Zone: "UTC"}, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"},
		"a year":       {web.StatementQuery{From: "2026-01-01", To: "2026-12-31", Zone: "UTC"}, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		"this month":   {web.StatementQuery{From: "2027-02-01", To: "2027-02-28", Zone: "UTC"}, "2027-02-01T00:00:00Z", "2027-02-03T04:05:07Z"},
		"next month":   {web.StatementQuery{From: "2027-03-01", To: "2027-03-31", Zone: "UTC"}, "", ""},
		"too long":     {web.StatementQuery{From: "2026-01-01", To: "2028-12-31"}, "", ""},
		"open":         {web.StatementQuery{From: "2026-01-01"}, "", ""},
		"turned":       {web.StatementQuery{From: "2026-01-02", To: "2026-01-01"}, "", ""},
		"no date":      {web.StatementQuery{From: "2026-02-30", To: "2026-03-31"}, "", ""},
		"no zone":      {web.StatementQuery{From: "2026-01-01", To: "2026-03-31", Zone: "../etc/passwd"}, "", ""},
		"local":        {web.StatementQuery{From: "2026-01-01", To: "2026-03-31", Zone: "Local"}, "", ""},
	} {
		p, err := statementPeriod(cfg, c.query, now)
		if c.from == "" {
			if fault.Of(err) != fault.Request {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
			continue
		}
		if p.From.Format(time.RFC3339) != c.from || p.Until.Format(time.RFC3339) != c.until || err != nil {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestMonths(t *testing.T) {
	t.Parallel()
	links := months(audit.Period{Zone: "Asia/Shanghai"}, time.Date(2026, 2, 28, 20, 0, 0, 0, time.UTC))
	if len(links) != 13 || links[1].Name != "2026-03" || links[2].Path != "/statement?from=2026-02-01&to=2026-02-28&zone=Asia%2FShanghai" || links[12].Name != "2025-04" {
		t.Errorf("%+v", links)
	}
}
