package cloudconfig

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"packseal.example/internal/ram"
	"packseal.example/internal/secret"
)

// write replaces a secret file.
func write(t *testing.T, f secret.File, content string) {
	t.Helper()
	tmp := string(f) + ".new"
	if err := errors.Join(os.WriteFile(tmp, []byte(content), 0o600), os.Rename(tmp, string(f))); err != nil {
		t.Fatal(err)
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
				c.keys = ram.New(files)
				_, err := c.do(t.Context(), reportCall("Get", aPack))
				if (err == nil) != changes || len(s.seen) != map[bool]int{true: 2, false: 1}[changes] {
					t.Errorf("%d tries, %v", len(s.seen), err)
				}
				cleanError(t, err)
			})
		})
	}
}
