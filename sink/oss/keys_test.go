package oss

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
	"packseal.example/internal/ram/ramtest"
	"packseal.example/sink/oss/ossfake"
)

// TestRotation: keys that were replaced take effect with the next request.
func TestRotation(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var o *Options
	s := f.open(t, func(opened *Options) { o = opened; o.Credentials.AccessKeySecretFile = file(t, "old") })
	want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "secret")
	if err := os.WriteFile(string(o.Credentials.AccessKeySecretFile), []byte(keySecret), 0o600); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "k", x)
	if err := os.Remove(string(o.Credentials.AccessKeyIDFile)); err != nil {
		t.Fatal(err)
	}
	f.Requests()
	err := s.Put(t.Context(), "l", x)
	want(t, err, fault.SinkDenied, "")
	if err == nil || !strings.Contains(err.Error(), string(o.Credentials.AccessKeyIDFile)) || f.operations() != "" {
		t.Errorf("got %v", err)
	}
}

// temporary has the fake know a temporary key.
func (f *fake) temporary(id string, expires time.Time) {
	f.Do(func() { f.Keys[id] = ossfake.Key{Secret: keySecret, Token: "token-" + id, Expires: expires} })
}

// TestExpiry: keys that expire in the middle of an upload in parts are renewed, and
// the request that was refused is sent again. Keys that cannot be renewed are not
// tried again.
func TestExpiry(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	now := "STS.first"
	asked := 0
	uri := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		f.Do(func() { fmt.Fprint(w, ramtest.Temporary(now, keySecret, "token-"+now)) })
	}))
	t.Cleanup(uri.Close)
	f.temporary("STS.first", time.Time{})
	f.temporary("STS.second", time.Time{})
	s := f.ready(t, func(o *Options) { inParts(o); o.Credentials = &ram.Credentials{URI: uri.URL} })
	f.after("InitiateMultipartUpload", func(*http.Request, *ossfake.Answer) {
		f.Keys["STS.first"] = ossfake.Key{Secret: keySecret, Token: "token-STS.first", Expires: time.Now().Add(-time.Second)}
		now = "STS.second"
	})
	mustPut(t, s, "k", large)
	if asked != 2 {
		t.Errorf("the keys were asked for %d times", asked)
	}
	f.temporary("STS.second", time.Now().Add(-time.Second))
	f.Requests()
	want(t, s.Put(t.Context(), "l", x), fault.SinkDenied, "renew")
	if got := f.operations(); got != "PutObject" {
		t.Errorf("asked %s", got)
	}
}

// TestRole: a role is assumed with keys from files.
func TestRole(t *testing.T) {
	t.Parallel()
	const role = "acs:ram::1:role/oss-evidence"
	ramtest.Role(role, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("AccessKeyId") != "base" || r.FormValue("Action") != "AssumeRole" {
			http.Error(w, `{"Code":"NoPermission"}`, http.StatusForbidden)
			return
		}
		fmt.Fprint(w, ramtest.Granted("STS.role", keySecret, "token-STS.role"))
	})
	f := newFake(t)
	f.temporary("STS.role", time.Time{})
	s := f.open(t, func(o *Options) {
		o.Credentials = &ram.Credentials{AccessKeyIDFile: file(t, "base"), AccessKeySecretFile: file(t, "base-secret"), RoleARN: role}
	})
	mustPut(t, s, "k", x)
}

// TestNoKeys: there is no provider of keys, or it cannot be reached for a moment.
func TestNoKeys(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	server := httptest.NewServer(nil)
	server.Close()
	for reason, c := range map[fault.Reason]*ram.Credentials{fault.SinkUnavailable: {URI: server.URL}, fault.SinkDenied: {Profile: "nobody"}} {
		s := f.open(t, func(o *Options) { o.Credentials = c })
		want(t, s.Put(t.Context(), "k", x), reason, "access_key_id_file")
		if got := f.operations(); got != "" {
			t.Errorf("asked %s without keys", got)
		}
	}
}

// TestRRSA: without credentials, the chain finds the pod's token. It sets the
// environment, so it is not parallel.
func TestRRSA(t *testing.T) {
	const role = "acs:ram::1:role/of-the-pod"
	ramtest.Role(role, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") != "AssumeRoleWithOIDC" || r.FormValue("OIDCToken") != "oidc" {
			t.Errorf("asked for %s", r.FormValue("Action"))
		}
		fmt.Fprint(w, ramtest.Granted("STS.pod", keySecret, "token-STS.pod"))
	})
	t.Setenv("ALIBABA_CLOUD_ROLE_ARN", role)
	t.Setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/x")
	t.Setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", string(file(t, "oidc")))
	f := newFake(t)
	f.temporary("STS.pod", time.Time{})
	s := f.open(t, func(o *Options) { o.Credentials = nil })
	mustPut(t, s, "k", x)
	if _, by := examine(t, s); !strings.Contains(by["credentials"].Detail, "OIDC") {
		t.Errorf("got %+v", by["credentials"])
	}
}
