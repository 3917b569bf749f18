package cloudconfig

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/ram"
)

// The example in the documentation of Alibaba Cloud.
func TestVector(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "https://ecs.cn-shanghai.aliyuncs.com/?"+encode(url.Values{
		"RegionId": {"cn-shanghai"}, "ImageId": {"win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"},
	}), nil)
	for name, value := range map[string]string{
		"x-acs-action": "RunInstances", "x-acs-version": "2014-05-26",
		"x-acs-date": "2023-10-26T10:22:32Z", "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
		"User-Agent": "not signed",
	} {
		r.Header.Set(name, value)
	}
	authorize(r, nil, ram.Keys{ID: "YourAccessKeyId", Secret: "YourAccessKeySecret"})
	canonical, _ := canonicalRequest(r)
	if got, want := hexSum([]byte(canonical)), "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"; got != want {
		t.Errorf("canonical request hashes to %s, want %s:\n%s", got, want, canonical)
	}
	want := "ACS3-HMAC-SHA256 Credential=YourAccessKeyId," +
		"SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version," +
		"Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
	if got := r.Header.Get("Authorization"); got != want {
		t.Errorf("Authorization:\n got %s\nwant %s", got, want)
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 11, 4, 5, 0, time.FixedZone("", 8*3600))
	first := httptest.NewRequest(http.MethodPost, "https://host/", nil)
	second := httptest.NewRequest(http.MethodPost, "https://host/", nil)
	first.Header.Set("Content-Type", " a/b ")
	sign(first, []byte("x"), ram.Keys{ID: "id", Secret: "secret", Token: "token"}, at)
	sign(second, nil, ram.Keys{ID: "id", Secret: "secret", Token: ""}, at)
	if got := first.Header.Get("X-Acs-Date"); got != "2026-01-02T03:04:05Z" {
		t.Errorf("date %s", got)
	}
	if a, b := first.Header.Get("X-Acs-Signature-Nonce"), second.Header.Get("X-Acs-Signature-Nonce"); a == b || len(a) < 16 {
		t.Errorf("nonces %q and %q", a, b)
	}
	_, names := canonicalRequest(first)
	if want := "content-type;host;x-acs-content-sha256;x-acs-date;x-acs-security-token;x-acs-signature-nonce"; names != want {
		t.Errorf("signed are %s, want %s", names, want)
	}
	if _, ok := second.Header["X-Acs-Security-Token"]; ok {
		t.Error("an empty token is sent")
	}
	if text, _ := canonicalRequest(first); !strings.Contains(text, "\ncontent-type:a/b\n") {
		t.Errorf("values are not trimmed:\n%s", text)
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	got := encode(url.Values{"b": {"2", "1"}, "a b": {"-_.~ *+/%你"}, "": {""}})
	if want := "=&a%20b=-_.~%20%2A%2B%2F%25%E4%BD%A0&b=2&b=1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkSign(b *testing.B) {
	r := httptest.NewRequest(http.MethodGet, "https://config.cn-shanghai.aliyuncs.com/?CompliancePackId=cp-1", nil)
	for b.Loop() {
		sign(r, nil, ram.Keys{ID: "id", Secret: "secret", Token: "token"}, time.Now())
	}
}
