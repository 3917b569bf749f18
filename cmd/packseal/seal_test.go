package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/test/lab"
)

// TestSealAtATerminal: a person sees each pack begin and end, a log only how it
// ended.
func TestSealAtATerminal(t *testing.T) {
	t.Parallel()
	_, endpoint := simulate(t)
	path := lab.Setup{Endpoint: endpoint}.Write(t)
	master, slave := openTerminal(t)
	if code := run(t.Context(), []string{"seal", "--now", "--config", path, lab.Pack}, slave, slave); code != 0 {
		t.Errorf("ends with %d", code)
	}
	lines := bufio.NewScanner(master)
	for _, want := range []string{"begun   prod/" + lab.Pack + "@", "sealed  prod/" + lab.Pack + "@"} {
		if lines.Scan(); !strings.HasPrefix(lines.Text(), want) {
			t.Errorf("says %q, want %q…", lines.Text(), want)
		}
	}
	var log strings.Builder
	if code := run(t.Context(), []string{"seal", "--config", path, lab.Pack}, &log, &log); code != 0 || strings.Contains(log.String(), "begun") {
		t.Errorf("ends with %d and says %q", code, log.String())
	}
}

// TestSealAsRoot: root leaves nothing in folders of another user.
func TestSealAsRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give folders to others")
	}
	_, endpoint := simulate(t)
	for _, folder := range []string{"state", "archive"} {
		dir := t.TempDir()
		path := lab.Setup{Dir: dir, Endpoint: endpoint}.Write(t)
		owned := filepath.Join(dir, folder)
		if err := errors.Join(os.Mkdir(owned, 0o750), os.Chown(owned, 4711, 4711)); err != nil {
			t.Fatal(err)
		}
		var talk strings.Builder
		code := run(t.Context(), []string{"seal", "--now", "-c", path}, io.Discard, &talk)
		left, err := os.ReadDir(owned)
		if code != exitFailed || !strings.Contains(talk.String(), owned+" belongs to user 4711") || err != nil || len(left) != 0 {
			t.Errorf("%s: %d, %v, %v: %s", folder, code, left, err, talk.String())
		}
		if err := os.Chown(owned, 0, 0); err != nil {
			t.Fatal(err)
		}
		if code := run(t.Context(), []string{"seal", "--now", "-c", path}, io.Discard, &talk); code != 0 {
			t.Errorf("%s of root: %d: %s", folder, code, talk.String())
		}
	}
}

// TestSealBesideDaemon: seal works on the slots that a daemon works on, in the
// same folders and at the same time, and each slot is settled once.
func TestSealBesideDaemon(t *testing.T) {
	t.Parallel()
	api, endpoint := simulate(t)
	dir := t.TempDir()
	path := lab.Setup{Dir: dir, Endpoint: endpoint, Packs: []string{lab.Pack, lab.Another}}.Write(t)
	var out, talk lab.Buffer
	d := startRun(t, path)
	code := run(context.WithoutCancel(t.Context()), []string{"seal", "--json", "-c", path}, &out, &talk)
	if code != 0 || strings.Count(out.String(), `"state":"sealed"`) != 2 {
		t.Errorf("seal ended with %d: %s%s", code, out.String(), talk.String())
	}
	d.settled(t)
	if n := api.Calls()["GenerateCompliancePackReport"]; n != 2 {
		t.Errorf("%d reports were asked for, want one a pack", n)
	}
	out.Reset()
	if code := run(t.Context(), []string{"seal", "--now", "-c", path}, &out, &talk); code != 0 {
		t.Errorf("seal --now ended with %d: %s", code, talk.String())
	}
	if run(t.Context(), []string{"list", "--json", "-c", path}, &out, &talk); strings.Count(out.String(), `"state":"sealed"`) != 4 {
		t.Errorf("the daemon lists %s%s", out.String(), talk.String())
	}
	d.stop()
	out.Reset()
	if code := run(t.Context(), []string{"verify", "-c", path}, &out, &talk); code != 0 || !strings.HasPrefix(out.String(), "4 sealed, 0 gaps") {
		t.Errorf("verify ended with %d: %s%s", code, out.String(), talk.String())
	}
	if left, err := os.ReadDir(filepath.Join(dir, "state", "spool")); err != nil || len(left) != 0 {
		t.Errorf("the spool holds %v, %v", left, err)
	}
}
