package cloudconfig

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// temporary returns keys in the format of STS and credentials URIs.
func temporary(k keys) string {
	b, _ := json.Marshal(map[string]string{
		"AccessKeyId": k.id.Reveal(), "AccessKeySecret": k.secret.Reveal(), "SecurityToken": k.token.Reveal(),
		"Expiration": time.Now().Add(time.Hour).UTC().Format(stamp),
	})
	return string(b)
}

// write replaces a secret file.
func write(t *testing.T, f secret.File, content string) {
	t.Helper()
	tmp := string(f) + ".new"
	if err := errors.Join(os.WriteFile(tmp, []byte(content), 0o600), os.Rename(tmp, string(f))); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreReread(t *testing.T) {
	t.Parallel()
	c := &Credentials{AccessKeyIDFile: secretFile(t, "MARKED-1\n"), AccessKeySecretFile: secretFile(t, "MARKED-2\n")}
	p := newProvider(c)
	if k, err := p.get(t.Context()); err != nil || k != (keys{"MARKED-1", "MARKED-2", ""}) {
		t.Fatalf("got other keys, %v", err)
	}
	c.SecurityTokenFile = secretFile(t, "MARKED-3")
	write(t, c.AccessKeyIDFile, "MARKED-4")
	if k, err := p.get(t.Context()); err != nil || k != (keys{"MARKED-4", "MARKED-2", "MARKED-3"}) {
		t.Fatalf("got other keys, %v", err)
	}
	for _, f := range []secret.File{c.SecurityTokenFile, c.AccessKeySecretFile, c.AccessKeyIDFile} {
		write(t, f, " ")
		_, err := p.get(t.Context())
		if fault.Of(err) != fault.Credentials || !strings.Contains(err.Error(), string(f)) {
			t.Errorf("got %v", err)
		}
		cleanError(t, err)
	}
}

// If keys are rejected, the files are read again, and the call is retried if they
// have changed.
func TestRotation(t *testing.T) {
	t.Parallel()
	for code, changes := range map[string]bool{"InvalidAccessKeyId.NotFound": true, "SignatureDoesNotMatch": true, "InvalidAccessKeyId.Inactive": false} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			id := secretFile(t, "MARKED-old")
			files := &Credentials{AccessKeyIDFile: id, AccessKeySecretFile: secretFile(t, "MARKED-secret")}
			synctest.Test(t, func(t *testing.T) {
				s := &stub{}
				s.answer = func(_ int, r *http.Request) (*http.Response, error) {
					if strings.Contains(r.Header.Get("Authorization"), "Credential=MARKED-new") {
						return respond(200, `{"RequestId":"R"}`), nil
					}
					if changes {
						write(t, id, "MARKED-new")
					}
					return refusing(403, code), nil
				}
				c := newTest(t, s)
				c.keys = newProvider(files)
				_, err := c.do(t.Context(), reportCall("Get", aPack))
				if (err == nil) != changes || len(s.seen) != map[bool]int{true: 2, false: 1}[changes] {
					t.Errorf("%d tries, %v", len(s.seen), err)
				}
				cleanError(t, err)
			})
		})
	}
}
