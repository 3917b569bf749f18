package control

import (
	"strings"
	"testing"

	"packseal.example/internal/fault"
)

// TestReload: the outcome of a reload crosses.
func TestReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := new(fixed)
	serve(t, dir, d)
	if err := NewClient(dir).Reload(t.Context()); err != nil || d.reloads != 1 {
		t.Errorf("%v after %d reloads", err, d.reloads)
	}
	wrong := strings.Repeat("packseal.yaml:1: unknown key\n", 10_000)
	d.err = fault.New(fault.Request, "%s", wrong)
	if err := NewClient(dir).Reload(t.Context()); fault.Of(err) != fault.Request || err.Error() != wrong {
		t.Errorf("of reason %s, %d bytes", fault.Of(err), len(err.Error()))
	}
}
