package ram

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"

	"packseal.example/internal/fault"
	"packseal.example/internal/ram/ramtest"
)

// uriServer is a credentials URI with a response that can be changed.
func uriServer(t *testing.T) (p *sdkProvider, hits *atomic.Int64, answer *atomic.Value) {
	t.Helper()
	hits, answer = new(atomic.Int64), new(atomic.Value)
	answer.Store(markedJSON())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		if body := answer.Load().(string); body != "" {
			fmt.Fprint(w, body)
			return
		}
		http.Error(w, `{"Code":"Down.Today","AccessKeySecret":"MARKED"}`, http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	return New(&Credentials{URI: server.URL + "/?token=MARKED"}).(*sdkProvider), hits, answer
}

// Concurrent calls share one request, and the keys are cached.
func TestURIConcurrently(t *testing.T) {
	t.Parallel()
	p, hits, _ := uriServer(t)
	for range 3 {
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() {
				if k, err := p.Get(t.Context()); err != nil || k != marked {
					t.Errorf("got other keys, %v", err)
				}
			})
		}
		callers.Wait()
	}
	if hits.Load() != 1 {
		t.Errorf("requested %d times", hits.Load())
	}
	p.Invalidate(Keys{"others", "", ""})
	if _, err := p.Get(t.Context()); err != nil || hits.Load() != 1 {
		t.Errorf("requested %d times after other keys were rejected, %v", hits.Load(), err)
	}
	p.Invalidate(marked)
	if _, err := p.Get(t.Context()); err != nil || hits.Load() != 2 {
		t.Errorf("requested %d times after a rejection, %v", hits.Load(), err)
	}
}

// Errors do not quote the responses; the provider recovers.
func TestURIFails(t *testing.T) {
	t.Parallel()
	p, _, answer := uriServer(t)
	for _, body := range []string{
		"", "{}", `{"AccessKeyId":"MARKED","AccessKeySecret":"MARKED"}`, "MARKED<html>", "null",
		`{"AccessKeyId":"MARKED","AccessKeySecret":"MARKED","SecurityToken":"MARKED","Expiration":"MARKED"}`,
		`{"AccessKeyId":"","AccessKeySecret":"MARKED","SecurityToken":"MARKED","Expiration":"2099-01-01T00:00:00Z"}`,
	} {
		answer.Store(body)
		_, err := p.Get(t.Context())
		if fault.Of(err) != fault.Credentials || fault.Hint(err) == "" {
			t.Errorf("%q: %v", body, err)
		}
		cleanError(t, err)
	}
	answer.Store(markedJSON())
	if k, err := p.Get(t.Context()); err != nil || k != marked {
		t.Fatalf("no recovery: %v", err)
	}
	// An error after a success is transient.
	answer.Store("")
	p.Invalidate(marked)
	_, err := p.Get(t.Context())
	if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), `"Code":"Down.Today"`) {
		t.Errorf("got %q: %v", fault.Of(err), err)
	}
	cleanError(t, err)
}

// The SDK takes an Expiration in UTC alone: one of another zone is refused with a
// hint, although it is a good one.
func TestURIInAnotherZone(t *testing.T) {
	t.Parallel()
	p, _, answer := uriServer(t)
	answer.Store(strings.Replace(markedJSON(), "Z\"", "+08:00\"", 1))
	_, err := p.Get(t.Context())
	if fault.Of(err) != fault.Credentials || !strings.Contains(err.Error(), "parsing time") || !strings.Contains(fault.Hint(err), "end in Z") {
		t.Errorf("got %v, hint %s", err, fault.Hint(err))
	}
	cleanError(t, err)
}

// A refused connection is transient.
func TestURIRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	_, err := New(&Credentials{URI: server.URL + "/?token=MARKED"}).Get(t.Context())
	if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %q: %v", fault.Of(err), err)
	}
	cleanError(t, err)
}

// slowProvider is a provider that blocks.
type slowProvider struct{ release chan struct{} }

func (p slowProvider) GetProviderName() string { return "slow" }
func (p slowProvider) GetCredentials() (*providers.Credentials, error) {
	<-p.release
	return &providers.Credentials{AccessKeyId: "MARKED-id", AccessKeySecret: "MARKED-secret"}, nil
}

func TestSlowSDK(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := slowProvider{make(chan struct{})}
		built := 0
		p := &sdkProvider{name: "x", build: func() (providers.CredentialsProvider, error) { built++; return slow, nil }}
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := p.Get(ctx); fault.Of(err) != fault.Deadline {
				t.Errorf("got %v", err)
			}
			cancel()
		}
		p.Invalidate(Keys{}) // does not affect the running call
		close(slow.release)
		if k, err := p.Get(t.Context()); err != nil || k.ID != "MARKED-id" || built != 1 {
			t.Errorf("%v, built %d times", err, built)
		}
	})
}

// panicking is a provider that panics.
type panicking struct{ slowProvider }

func (panicking) GetCredentials() (*providers.Credentials, error) { panic("MARKED") }

func TestSDKPanics(t *testing.T) {
	t.Parallel()
	p := &sdkProvider{name: "x", build: func() (providers.CredentialsProvider, error) { return panicking{}, nil }}
	_, err := p.Get(t.Context())
	if fault.Of(err) != fault.Credentials {
		t.Errorf("got %v", err)
	}
	cleanError(t, err)
}

// The SDK assumes a role with keys from files.
func TestAssumeRole(t *testing.T) {
	t.Parallel()
	const role = "acs:ram::1:role/from-files"
	var broken atomic.Bool
	ramtest.Role(role, func(w http.ResponseWriter, r *http.Request) {
		for name, want := range map[string]string{
			"Action": "AssumeRole", "AccessKeyId": "MARKED-base", "SecurityToken": "", "RoleSessionName": "packseal", "ExternalId": "x-1",
		} {
			if got := r.FormValue(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if r.Host != "sts-vpc.cn-shanghai.aliyuncs.com" {
			t.Errorf("asked at %s", r.Host)
		}
		if broken.Load() {
			http.Error(w, `{"RequestId":"R-sts","Code":"NoPermission","Message":"MARKED"}`, http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"RequestId":"R","Credentials":%s}`, markedJSON())
	})
	c := &Credentials{AccessKeyIDFile: secretFile(t, "MARKED-base"), AccessKeySecretFile: secretFile(t, "MARKED-base-secret"), RoleARN: role, ExternalID: "x-1", STSEndpoint: "sts-vpc.cn-shanghai.aliyuncs.com"}
	p := New(c)
	broken.Store(true)
	_, err := p.Get(t.Context())
	if fault.Of(err) != fault.Credentials || !strings.Contains(err.Error(), `"Code":"NoPermission"`) || !strings.Contains(err.Error(), "R-sts") || !strings.Contains(err.Error(), role) {
		t.Errorf("got %v", err)
	}
	cleanError(t, err)
	broken.Store(false)
	if k, err := p.Get(t.Context()); err != nil || k != marked {
		t.Errorf("got other keys, %v", err)
	}
	write(t, c.AccessKeyIDFile, " ")
	p.Invalidate(marked)
	if _, err := p.Get(t.Context()); fault.Of(err) != fault.Credentials || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("got %v", err)
	}
}

// An error of STS is returned.
func TestNoRole(t *testing.T) {
	t.Parallel()
	c := &Credentials{AccessKeyIDFile: secretFile(t, "MARKED-1"), AccessKeySecretFile: secretFile(t, "MARKED-2"), RoleARN: "acs:ram::1:role/nobody"}
	_, err := New(c).Get(t.Context())
	if fault.Of(err) != fault.Credentials || !strings.Contains(err.Error(), "EntityNotExist.Role") {
		t.Errorf("got %v", err)
	}
	cleanError(t, err)
}

// The tests below set the environment, so they cannot be parallel.

// The chain recovers after all providers have failed; the SDK alone would stay
// with the one that it tried last.
func TestChain(t *testing.T) {
	p := New(nil)
	for range 2 {
		_, err := p.Get(t.Context())
		if fault.Of(err) != fault.Credentials || !strings.Contains(err.Error(), "the SDK credential chain") || !strings.Contains(fault.Hint(err), "those of sources can stand under defaults") {
			t.Errorf("got %v", err)
		}
	}
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "MARKED-env")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "MARKED-env-secret")
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if k, err := p.Get(t.Context()); err != nil || k != (Keys{"MARKED-env", "MARKED-env-secret", ""}) {
				t.Errorf("got other keys, %v", err)
			}
		})
	}
	callers.Wait()
}

// OIDC is used by pods in ACK clusters.
func TestOIDC(t *testing.T) {
	const role = "acs:ram::1:role/of-the-pod"
	ramtest.Role(role, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") != "AssumeRoleWithOIDC" || r.FormValue("OIDCToken") != "MARKED-oidc" {
			t.Errorf("asked for %s", r.FormValue("Action"))
		}
		fmt.Fprintf(w, `{"RequestId":"R","Credentials":%s}`, markedJSON())
	})
	t.Setenv("ALIBABA_CLOUD_ROLE_ARN", role)
	t.Setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/x")
	t.Setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", string(secretFile(t, "MARKED-oidc")))
	if k, err := New(nil).Get(t.Context()); err != nil || k != marked {
		t.Errorf("got other keys, %v", err)
	}
}

func TestProfile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	config := `{"current":"other","profiles":[{"name":"audit","mode":"AK","access_key_id":"MARKED-p","access_key_secret":"MARKED-ps"}]}`
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ALIBABA_CLOUD_CONFIG_FILE", path)
	if k, err := New(&Credentials{Profile: "audit"}).Get(t.Context()); err != nil || k != (Keys{"MARKED-p", "MARKED-ps", ""}) {
		t.Errorf("got other keys, %v", err)
	}
	_, err := New(&Credentials{Profile: "nobody"}).Get(t.Context())
	if fault.Of(err) != fault.Credentials || !strings.Contains(err.Error(), "unable to get profile with 'nobody'") {
		t.Errorf("got %v", err)
	}
	cleanError(t, err)
}

// The metadata service has a fixed address, so that only the choice of the
// provider is tested.
func TestECSRole(t *testing.T) {
	_, err := New(&Credentials{ECSRole: "auditor"}).Get(t.Context())
	if fault.Of(err) != fault.Credentials || !strings.Contains(err.Error(), "the ECS role auditor: disabled") {
		t.Errorf("got %v", err)
	}
}

// The provider of the chain that returned the keys is named.
func TestOrigin(t *testing.T) {
	for used, want := range map[string]string{
		"default/env": "the SDK credential chain (the environment)", "default/oidc_role_arn": "the SDK credential chain (OIDC)",
		"ram_role_arn/default/ecs_ram_role": "the SDK credential chain (the role of the ECS instance)", "default/cli_profile/static_ak": "the SDK credential chain (a profile of the aliyun CLI)",
		"default/new": "the SDK credential chain", "": "the SDK credential chain",
	} {
		if got := (&sdkProvider{name: "the SDK credential chain", used: used}).Origin(); got != want {
			t.Errorf("%q: got %q, want %q", used, got, want)
		}
	}
}

// Roles are assumed with the keys of another provider, which are got once for all; what
// STS says of one concerns no other.
func TestAssumeWith(t *testing.T) {
	t.Parallel()
	base, hits, _ := uriServer(t)
	const good, gone, busy, untrusting = "acs:ram::61:role/good", "acs:ram::62:role/gone", "acs:ram::63:role/busy", "acs:ram::64:role/untrusting"
	var revoked atomic.Bool
	asked := new(atomic.Int64)
	ramtest.Role(good, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch {
		case r.FormValue("AccessKeyId") != marked.ID.Reveal() || r.FormValue("SecurityToken") != marked.Token.Reveal():
			t.Error("the role is assumed with other keys")
		case revoked.Load():
			http.Error(w, `{"RequestId":"R-sts","Code":"NoPermission","Message":"MARKED"}`, http.StatusForbidden)
			return
		}
		fmt.Fprint(w, ramtest.Granted("STS.good", "MARKED", "MARKED"))
	})
	for arn, code := range map[string]string{busy: "Throttling.User", untrusting: "NoPermission"} {
		ramtest.Role(arn, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"RequestId":"R-sts","Code":"`+code+`","Message":"MARKED"}`, http.StatusForbidden)
		})
	}
	for _, c := range []struct {
		arn    string
		reason fault.Reason
		hint   string
	}{
		{good, "", ""}, {gone, fault.Credentials, "create the role " + gone}, {busy, fault.Unavailable, ""}, {untrusting, fault.Credentials, "allow sts:AssumeRole on " + untrusting},
	} {
		_, err := Assume(&Credentials{RoleARN: c.arn}, base).Get(t.Context())
		if fault.Of(err) != c.reason || !strings.Contains(fault.Hint(err), c.hint) || c.hint == "" && fault.Hint(err) != "" {
			t.Errorf("%s: %v, hint %q", c.arn, err, fault.Hint(err))
		}
		cleanError(t, err)
	}
	p := Assume(&Credentials{RoleARN: good}, base)
	for range 3 {
		if k, err := p.Get(t.Context()); err != nil || k.ID != "STS.good" {
			t.Errorf("%v", err)
		}
	}
	if hits.Load() != 1 || asked.Load() != 2 {
		t.Errorf("the keys were got %d times, the role was assumed %d times", hits.Load(), asked.Load())
	}
	if got := p.Origin(); got != "the credentials URI, assuming "+good {
		t.Errorf("origin %q", got)
	}
	// A refusal is one also after a success.
	revoked.Store(true)
	p.Invalidate(Keys{"STS.good", "MARKED", "MARKED"})
	if _, err := p.Get(t.Context()); fault.Of(err) != fault.Credentials {
		t.Errorf("a role that is refused from now on: %v", err)
	}
}
