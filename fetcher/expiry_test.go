package fetcher

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/evidence"
)

func TestExpiry(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		query string
		want  time.Time
	}{
		"OSS V1":          {fmt.Sprintf("Expires=%d&OSSAccessKeyId=x&Signature=y", at.Unix()), at},
		"S3 V2":           {fmt.Sprintf("AWSAccessKeyId=x&Signature=y&Expires=%d", at.Unix()), at},
		"OSS V2":          {fmt.Sprintf("x-oss-signature-version=OSS2&x-oss-expires=%d", at.Unix()), at},
		"OSS V4":          {"x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=20260501T110000Z&x-oss-expires=3600", at},
		"S3 V4":           {"X-Amz-Date=20260501T110000Z&X-Amz-Expires=3600", at},
		"none":            {"a=b", time.Time{}},
		"not a number":    {"Expires=soon", time.Time{}},
		"negative":        {"Expires=-5", time.Time{}},
		"endless life":    {"X-Amz-Date=20260501T110000Z&X-Amz-Expires=99999999999", time.Time{}},
		"V4 without date": {"x-oss-expires=3600", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := SecretURL("https://b.oss.aliyuncs.com/r.xls?" + c.query).Expiry()
			if !got.Equal(c.want) || ok == c.want.IsZero() {
				t.Errorf("Expiry is %v, %t; want %v", got, ok, c.want)
			}
		})
	}
}

// FuzzExpiry: no link causes a panic or prints its query.
func FuzzExpiry(f *testing.F) {
	f.Add("https://h/p?Expires=1777636800")
	f.Add("https://u:p@h/p?x-oss-date=20260501T110000Z&x-oss-expires=3600#f")
	f.Add("%zz")
	f.Fuzz(func(t *testing.T, link string) {
		u := SecretURL(link)
		at, ok := u.Expiry()
		if ok == at.IsZero() {
			t.Errorf("Expiry of %q is %v, %t", link, at, ok)
		}
		if ok && (at.Location() != time.UTC || at.Unix() <= 0 || at.Unix() > 1<<40) {
			t.Errorf("Expiry of %q is %v", link, at)
		}
		if left, ok := received(Link{URL: u}).remaining(); ok && left > 0 != at.After(time.Now()) {
			t.Errorf("%v left until %v", left, at) // must not overflow
		}
		if _, query, ok := strings.Cut(u.String(), "?"); ok {
			t.Errorf("the link prints its query %q", query)
		}
	})
}

func TestSecretURLRedacts(t *testing.T) {
	t.Parallel()
	u := SecretURL("https://user:MARK@b.example/r.xls?Signature=MARK#MARK")
	text, err := u.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{u.String(), u.GoString(), u.LogValue().String(), string(text), fmt.Sprintf("%v %+v %#v %s %q", u, Link{URL: u}, Link{URL: u}, u, u)} {
		if strings.Contains(s, "MARK") {
			t.Errorf("%q holds the secret", s)
		}
	}
}

func TestFresh(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 5, 1, 2, 0, 0, 0, time.UTC)
	before, after := due.Add(-time.Hour), due.Add(time.Minute)
	slot := evidence.Slot{Due: due}
	for name, c := range map[string]struct {
		ticket  Ticket
		created time.Time
		want    bool
	}{
		"newer than the baseline":  {Ticket{Slot: slot, Baseline: before}, after, true},
		"the baseline itself":      {Ticket{Slot: slot, Baseline: before}, before, false},
		"our clock is ahead":       {Ticket{Slot: slot, Baseline: before}, due.Add(-time.Minute), true},
		"attached, made too early": {Ticket{Slot: slot, Attached: true}, before, false},
		"attached, made since":     {Ticket{Slot: slot, Attached: true}, after, true},
		"attached, made at due":    {Ticket{Slot: slot, Attached: true}, due, true},
	} {
		if got := c.ticket.Fresh(c.created); got != c.want {
			t.Errorf("%s: Fresh is %t", name, got)
		}
	}
}
