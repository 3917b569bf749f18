//go:build chaos

package chaos

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestCredentialsExpire: the keys, or the token of temporary ones, are refused
// while a report is being made, and others are in the files by then. The slot
// is sealed by the same process, with the report that was asked for before.
func TestCredentialsExpire(t *testing.T) {
	t.Parallel()
	type keys struct{ id, secret, token string }
	old := keys{lab.KeyID, lab.KeySecret, "the-token-that-expires"}
	for name, fresh := range map[string]keys{
		"keys":  {"LTAI5tTheNewKey", "the-new-secret-opens-as-little", "the-token-of-the-new-key"},
		"token": {lab.KeyID, lab.KeySecret, "the-token-after-that"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRig(t, []sim.Pack{{ID: "cp-rotated", Script: sim.Script{Make: 3 * time.Second}}})
			w.Rotate(old.id, old.secret, old.token)
			w.Write("token", old.token)
			var refused atomic.Int32
			expire := sync.OnceFunc(func() { w.Rotate(fresh.id, fresh.secret, fresh.token) })
			rotation := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.Header.Get("X-Acs-Action"), "Generate") {
					w.serve(rw, r)
					expire()
					return
				}
				if r.Header.Get("X-Acs-Security-Token") == old.token && w.Calls()["GenerateCompliancePackReport"] > 0 {
					refused.Add(1)
					w.Write("key-id", fresh.id)
					w.Write("key-secret", fresh.secret)
					w.Write("token", fresh.token)
				}
				w.serve(rw, r)
			})
			w.broken.Store(&rotation)
			w.configure(lab.Setup{
				Source: "requests_per_second: 200", Packs: []string{"cp-rotated"},
				Credentials: "access_key_id_file: key-id, access_key_secret_file: key-secret, security_token_file: token",
			})
			p := w.start()
			p.settled(1, w.archive, w.Path("state"))
			p.ends()
			if n := w.Calls()["GenerateCompliancePackReport"]; n != 1 || refused.Load() == 0 {
				t.Errorf("asked for %d times, refused %d times", n, refused.Load())
			}
			for _, mark := range []string{old.secret, old.token, fresh.secret, fresh.token} {
				if strings.Contains(p.Log.String(), mark) {
					t.Errorf("%s is in the log", mark)
				}
			}
		})
	}
}
