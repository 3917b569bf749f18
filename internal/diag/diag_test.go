package diag_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

func TestResult(t *testing.T) {
	t.Parallel()
	down := errors.Join(errors.New("one"), fault.New(fault.Unavailable, "two").WithHint("look"))
	for _, c := range []struct {
		result     diag.Result
		mark, json string
		reason     fault.Reason
	}{
		{diag.OK("clock", "%ds off", 1), "✓", `{"check":"clock","target":"","ok":true,"detail":"1s off","hint":""}`, ""},
		{diag.Skip("lock", "none").WithHint("ask %s", "again"), "–", `{"check":"lock","target":"","ok":null,"detail":"none","hint":"ask again"}`, ""},
		{diag.Fail("link", fault.Wrap(fault.Unavailable, down)), "✗", `{"check":"link","target":"","ok":false,"detail":"one; two","hint":"look","reason":"unavailable"}`, fault.Unavailable},
		{diag.Fail("link", fault.New(fault.Denied, "no").WithHint("allow it")), "✗", `{"check":"link","target":"","ok":false,"detail":"no","hint":"allow it","reason":"denied"}`, fault.Denied},
	} {
		b, err := json.Marshal(c.result)
		if err != nil || string(b) != c.json {
			t.Errorf("got %s, %v\nwant %s", b, err, c.json)
		}
		if got := c.result.Mark(); got != c.mark {
			t.Errorf("%s has the mark %s", b, got)
		}
		if got := fault.Of(c.result.Err()); got != c.reason {
			t.Errorf("%s has the reason %q", b, got)
		}
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if r := diag.Writable("state", dir); r.State != diag.Good {
		t.Errorf("got %+v", r)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if r := diag.FreeSpace("free-space", dir, 1); r.State != diag.Good || !strings.Contains(r.Detail, "iB free") {
		t.Errorf("got %+v", r)
	}
	for _, r := range []diag.Result{
		diag.FreeSpace("free-space", dir, math.MaxInt64),
		diag.FreeSpace("free-space", filepath.Join(dir, "none"), 1),
		diag.Writable("state", filepath.Join(dir, "none")),
		diag.Writable("state", "/proc/self"), // a file system that takes no file, also from root
	} {
		if r.State != diag.Bad || r.Reason != fault.SinkUnavailable {
			t.Errorf("got %+v", r)
		}
	}
}
