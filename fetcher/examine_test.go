package fetcher

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

// workbook begins like one, and is larger than a preview.
var workbook = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1" + strings.Repeat("x", 100<<10)

const marked = "MARKED"

// peek returns Peek of a link to a server with that handler.
func peek(t *testing.T, bounds Bounds, serve http.HandlerFunc) diag.Result {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	f, err := New(Options{Source: noSource{}, Bounds: bounds, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	expires := strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)
	r := f.Peek(t.Context(), Link{URL: SecretURL(server.URL + "/r.xls?Signature=" + marked + "&Expires=" + expires), Served: time.Now()})
	if strings.Contains(r.Detail+r.Hint, marked) || strings.Contains(r.Detail+r.Hint, expires) {
		t.Errorf("the link leaks: %+v", r)
	}
	return r
}

// noSource is not used by Peek.
type noSource struct{ Source }

func TestPeek(t *testing.T) {
	t.Parallel()
	here := Bounds{LinkHosts: []string{"127.0.0.1"}}
	page := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body) //nolint:errcheck // the caller hung up
		}
	}
	for name, c := range map[string]struct {
		bounds Bounds
		serve  http.HandlerFunc
		state  diag.State
		reason fault.Reason
		says   string
	}{
		"a range": {here, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(workbook))
		}, diag.Good, "", "ole2 of 102408 bytes from 127.0.0.1:"},
		"the range is ignored": {here, page(200, workbook), diag.Good, "", "ole2 of "},
		"no size": {here, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-8191/*")
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, workbook[:8192]) //nolint:errcheck // the caller hung up
		}, diag.Good, "", "ole2 of unknown size"},
		"another host":    {Bounds{LinkHosts: []string{"*.aliyuncs.com"}}, nil, diag.Bad, fault.LinkRefused, `add "127.0.0.1" to link_hosts of the source`},
		"expired":         {here, page(403, "<Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>"), diag.Bad, fault.LinkExpired, "403 AccessDenied"},
		"forbidden":       {here, page(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>"), diag.Bad, fault.LinkRefused, "403 Sig"},
		"the store down":  {here, page(503, ""), diag.Bad, fault.Unavailable, "503"},
		"an error page":   {here, page(200, "<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>"+strings.Repeat("x", 60)+"</Message></Error>"), diag.Bad, fault.Damaged, "InternalError"},
		"next to nothing": {here, page(200, "PK"), diag.Bad, fault.Damaged, "only 2 bytes"},
		"cut": {here, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, workbook[:100]) //nolint:errcheck // the caller hung up
		}, diag.Bad, fault.Damaged, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := peek(t, c.bounds, c.serve)
			if r.Check != "link" || r.State != c.state || r.Reason != c.reason || !strings.Contains(r.Detail+" "+r.Hint, c.says) {
				t.Errorf("got %+v, want %s %s %q", r, c.state, c.reason, c.says)
			}
			if r.State == diag.Good && !strings.Contains(r.Detail, ", expires in ") {
				t.Errorf("no expiry: %s", r.Detail)
			}
		})
	}
}

// Only the first bytes are requested.
func TestPeekRange(t *testing.T) {
	t.Parallel()
	asked := ""
	r := peek(t, Bounds{LinkHosts: []string{"127.0.0.1"}}, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.Header.Get("Range")
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(workbook))
	})
	if asked != "GET bytes=0-8191" || r.State != diag.Good {
		t.Errorf("requested %q: %+v", asked, r)
	}
}
