package fetcher

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

func TestStoreError(t *testing.T) {
	t.Parallel()
	for body, expired := range map[string]bool{
		`<Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>`: true,
		`<Error><Code>SecurityTokenExpired</Code></Error>`:                                true,
		`<Error><Code>InvalidAccessKeyId</Code></Error>`:                                  true,
		`<Error><Code>AccessDenied</Code><Message>no right</Message></Error>`:             false,
		`<Error><Code>NoSuchKey</Code></Error>`:                                           false,
	} {
		if e, ok := parseStoreError([]byte(body), nil); !ok || e.expired() != expired {
			t.Errorf("%s: read %t, expired %t", body, ok, e.expired())
		}
	}
	e, _ := parseStoreError([]byte("<Error><Code>SignatureDoesNotMatch</Code><Message>see https://b/r?Signature=MARK and OSSAccessKeyId=MARK</Message></Error>"), nil)
	if s := e.String(); strings.Contains(s, "MARK") {
		t.Errorf("%q quotes the link", s)
	}
}

// FuzzStoreError: for any response, the error is classified, and is one short line
// without parts of the link, even if the response quotes them.
func FuzzStoreError(f *testing.F) {
	f.Add([]byte("<!-- <?xml"), 403)
	u, err := url.Parse("https://b.example/r.xls?Signature=MARKED%2Fdigest%3D&OSSAccessKeyId=MARKED-key-id")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		resp := &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body)), Request: &http.Request{URL: u}}
		_, err := recognize(body, u.Query())
		for _, err := range []error{refusal(resp), err} {
			if err == nil {
				continue
			}
			message := err.Error()
			if len(message) > 700 || !utf8.ValidString(message) || strings.ContainsFunc(message, unicode.IsControl) {
				t.Errorf("message %q", message)
			}
			for _, secret := range []string{"MARKED/digest=", "MARKED%2Fdigest%3D", "MARKED-key-id"} {
				if strings.Contains(message, secret) {
					t.Errorf("a secret in %q", message)
				}
			}
			switch fault.Of(err) {
			case fault.LinkExpired, fault.LinkRefused, fault.Unavailable, fault.Damaged:
			default:
				t.Errorf("reason %q", fault.Of(err))
			}
		}
	})
}

func TestExt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		container evidence.Container
		encoding  string
		want      string
	}{
		{"a.xls", evidence.OOXML, "", "xls"}, {"a.ZIP", evidence.Zip, "", "zip"}, {"a", evidence.OLE2, "", "xls"}, {"a", evidence.OOXML, "", "xlsx"}, {"a.x/y", evidence.Other, "", "bin"},
		{"a." + strings.Repeat("x", 9), evidence.Zip, "", "zip"}, {"a.é", evidence.HTML, "", "html"}, {"a.xls", evidence.OLE2, "gzip", "xls.gz"}, {"a.xls.GZ", evidence.OLE2, "gzip", "xls.gz"},
		{"a.gz", evidence.Zip, "gzip", "zip.gz"}, {"a.xls", evidence.Other, "br", "xls.bin"},
	} {
		if got := (Report{Name: c.name, Container: c.container, ContentEncoding: c.encoding}).Ext(); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.name, c.container, got, c.want)
		}
	}
}

// Values of the query that a store quotes are removed.
func TestStoreErrorQuotesLink(t *testing.T) {
	t.Parallel()
	link := url.Values{"Signature": {"MARKED/signature+1="}, "Expires": {"1767225600"}}
	for _, quoted := range []string{"MARKED/signature+1=", url.QueryEscape("MARKED/signature+1=")} {
		body := "<Error><Code>AccessDenied</Code><Message>Request has expired. Given " + quoted +
			"</Message><RequestId>r-" + quoted + "</RequestId><EC>0003</EC></Error>"
		e, ok := parseStoreError([]byte(body), link)
		if message := e.String(); !ok || !e.expired() || strings.Contains(message, "MARKED") || !strings.Contains(message, "expired. Given …, r-…, 0003") {
			t.Errorf("got %q, %t", message, ok)
		}
	}
}
