package web

import (
	"net/http/httptest"
	"reflect"
	"testing"

	"packseal.example/internal/fault"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ query, accept, want string }{
		{"", "", "en"},
		{"", "zh-CN,zh;q=0.9,en;q=0.8", "zh"},
		{"", "zh-Hant-TW", "zh"},
		{"", "zh-Hans", "zh"},
		{"", "en-US,en;q=0.9,zh-CN;q=0.8", "en"},
		{"", "fr, zh;q=0.5", "zh"},
		{"", "fr-FR", "en"},
		{"", "*", "en"},
		{"", ";;q=x,,-", "en"},
		{"lang=en", "zh-CN", "en"},
		{"lang=zh", "en", "zh"},
		{"lang=zh-CN", "en", "zh"},
		{"lang=fr", "zh-CN", "zh"},
		{"lang=%00%22", "en", "en"},
	} {
		r := httptest.NewRequest("GET", "/?"+test.query, nil)
		r.Header.Set("Accept-Language", test.accept)
		if got := newLocales().choose(r); got.Tag != test.want {
			t.Errorf("?%s with %q is answered in %s, want %s", test.query, test.accept, got.Tag, test.want)
		}
	}
}

func TestPageNamesItsLanguage(t *testing.T) {
	t.Parallel()
	w := get(handler(t, options(0)), "/", "Accept-Language: zh-CN")
	wantAll(t, w.Body.String(), `<html lang="zh">`, `<a href="/?lang=en" lang="en" hreflang="en">English</a>`)
	if h := w.Header(); h.Get("Content-Language") != "zh" || h.Get("Vary") != "Accept-Language" {
		t.Errorf("Content-Language %q, Vary %q", h.Get("Content-Language"), h.Get("Vary"))
	}
}

// Every word there is must be there in both languages.
func TestNoWordIsMissing(t *testing.T) {
	t.Parallel()
	for _, l := range []*locale{english(), chinese()} {
		v := reflect.ValueOf(*l)
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Switch" && v.Field(i).IsZero() {
				t.Errorf("%s: no %s", l.Tag, name)
			}
		}
		for _, r := range fault.Reasons() {
			if l.reasons[r] == "" {
				t.Errorf("%s: no sentence for %s", l.Tag, r)
			}
		}
		for _, s := range []string{StateSealed, StateGap, StateWorking, StateOverdue, StateWaiting, StateReading} {
			if l.states[s] == "" {
				t.Errorf("%s: no word for %s", l.Tag, s)
			}
		}
		if got := l.reason("of_tomorrow"); got != "of_tomorrow" {
			t.Errorf("%s: an unknown reason is shown as %q", l.Tag, got)
		}
	}
}
