package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/ledger/stamp/stamptest"
	"packseal.example/internal/evidence"
	"packseal.example/test/lab"
)

// evidenceFiles are bundles of March, and what an auditor has besides them.
type evidenceFiles struct {
	key, other, line string // the ledger's verifier key, another key, and a line of whole.zip's
	files            map[string][]byte
}

// newEvidence makes a bundle of a ledger with a gap and a missing slot (march.zip),
// one of a whole ledger (whole.zip), and the roots of their tokens (roots.pem).
func newEvidence(t testing.TB) evidenceFiles {
	t.Helper()
	_, other := audittest.NewKey(t, audittest.Origin, 2)
	authority := stamptest.New(t, "tsa")
	e := evidenceFiles{other: other, files: map[string][]byte{"roots.pem": authority.Root}}
	for name, seal := range map[string]func(*audittest.Ledger, evidence.Slot){
		"whole.zip": nil,
		"march.zip": func(l *audittest.Ledger, s evidence.Slot) {
			switch {
			case s.Pack == "cp-2" && s.Due.Day() == 3:
				l.GapAt(s, s.Due.Add(time.Hour))
			case s.Pack != "cp-1" || s.Due.Day() != 4:
				l.SealAt(s, s.Due.Add(time.Minute))
			}
		},
	} {
		l := audittest.New(t)
		l.Seal = seal
		l.Authority = func(_ string, at time.Time, checkpoint []byte) []byte { return authority.Stamp(t, checkpoint, at) }
		l.Run(audittest.Moment(1, 0, 0), audittest.Moment(8, 0, 0))
		e.files[name] = l.Bundle(audittest.March(1, 6)).Zip(t)
		e.key = l.Key
		if seal == nil {
			e.line = l.Checkpoints[30].Head.String()
		}
	}
	return e
}

func (e evidenceFiles) write(dir string) error {
	for name, raw := range e.files {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// TestAuditOffline: audit opens no socket, and writes no file.
func TestAuditOffline(t *testing.T) {
	t.Parallel()
	strace := lab.Tool(t, "strace")
	program, err := exec.LookPath("packseal")
	if err != nil {
		t.Fatal(err)
	}
	e, dir := newEvidence(t), t.TempDir()
	if err := e.write(dir); err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-o", trace, "-e", "trace=network,openat,open,creat,execve", program, "audit", "whole.zip", "--key", e.key, "--tsa-roots", "roots.pem")
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "reports due: 15; sealed 15") {
		t.Fatalf("%v\n%s", err, out)
	}
	calls, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(calls), "whole.zip") {
		t.Fatalf("strace saw no file opened:\n%s", calls)
	}
	for _, pattern := range []string{`(socket|connect|bind|sendto|sendmsg|getsockopt|socketpair)\(`, `O_WRONLY|O_RDWR|O_CREAT`} {
		if found := regexp.MustCompile(pattern).FindString(string(calls)); found != "" {
			t.Errorf("audit calls %s:\n%s", found, calls)
		}
	}
	if n := strings.Count(string(calls), "execve("); n != 1 {
		t.Errorf("audit runs %d programs:\n%s", n, calls)
	}
	if names, _ := os.ReadDir(dir); len(names) != len(e.files) {
		t.Errorf("audit has written files: %v", names)
	}
}
