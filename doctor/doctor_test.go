package doctor

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

// TestHangingChecks: a check that does not end is left behind, and those after
// it are made; one that ends when told to reports itself what it waited for.
func TestHangingChecks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		defer close(never)
		const timeout = 30 * time.Second
		began := time.Now()
		dead := do(t.Context(), check{"put", "sink nfs", func(context.Context) []diag.Result { <-never; return nil }}, timeout)
		if len(dead) != 1 || dead[0].Reason != fault.Deadline || dead[0].Target != "sink nfs" || time.Since(began) != timeout+linger {
			t.Errorf("after %s: %+v", time.Since(began), dead)
		}
		slow := do(t.Context(), check{"put", "sink nfs", func(ctx context.Context) []diag.Result {
			<-ctx.Done()
			return []diag.Result{diag.Fail("list", context.Cause(ctx))}
		}}, timeout)
		if len(slow) != 1 || slow[0].Check != "list" || !strings.Contains(slow[0].Detail, "no answer within 30s") {
			t.Errorf("got %+v", slow)
		}
	})
}
