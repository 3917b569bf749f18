package fetcher

import (
	"bytes"
	"encoding/binary"
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

// zipHead returns the beginning of a zip whose first member has that name.
func zipHead(name string) string {
	b := make([]byte, 30)
	copy(b, "PK\x03\x04")
	binary.LittleEndian.PutUint16(b[26:], uint16(len(name)))
	return string(b) + name + "content"
}

func TestSniff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head string
		want evidence.Container
		page bool
	}{
		"BIFF8":          {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1rest", evidence.OLE2, false},
		"OOXML":          {zipHead("[Content_Types].xml"), evidence.OOXML, false},
		"zip":            {zipHead("123_账号.xls"), evidence.Zip, false},
		"cut zip":        {"PK\x03\x04", evidence.Zip, false},
		"SpreadsheetML":  {"<?xml version=\"1.0\"?><Workbook>", evidence.XML, false},
		"OSS error":      {"\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>", evidence.XML, true},
		"bare error":     {"<Error><Code>x</Code></Error>", evidence.XML, true},
		"HTML page":      {"<!DOCTYPE html><html><body>Bad gateway", evidence.HTML, true},
		"HTML workbook":  {"<html><body><table><tr>", evidence.HTML, false},
		"something else": {"Resource,Status\n", evidence.Other, false},
		"nothing":        {"", evidence.Other, false},
	} {
		got := sniff([]byte(c.head))
		if page := errorPage(got, []byte(c.head)); got != c.want || page != c.page {
			t.Errorf("%s: sniffed %s, error page %t", name, got, page)
		}
	}
}

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
		_, err := inspect(body, u.Query())
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
		want      string
	}{
		{"a.xls", evidence.OOXML, "xls"}, {"a.ZIP", evidence.Zip, "zip"}, {"a", evidence.OLE2, "xls"}, {"a", evidence.OOXML, "xlsx"}, {"a.x/y", evidence.Other, "bin"},
		{"a." + strings.Repeat("x", 9), evidence.Zip, "zip"}, {"a.é", evidence.HTML, "html"},
	} {
		if got := (Report{Name: c.name, Container: c.container}).Ext(); got != c.want {
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
