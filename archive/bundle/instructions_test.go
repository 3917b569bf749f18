package bundle_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/bundle"
)

// TestInstructions: the commands that need openssl and sha256sum alone run as the bundle
// has them, in both languages, also with a key whose base64 has a +.
func TestInstructions(t *testing.T) {
	t.Parallel()
	bash := need(t, "bash")
	need(t, "openssl")
	w := newWorld(t, func(l *audittest.Ledger) {
		for seed := byte(1); strings.Count(l.Key, "+") < 3; seed++ {
			var signer note.Signer
			signer, l.Key = audittest.NewKey(t, audittest.Origin, seed)
			l.Signers = []note.Signer{signer}
		}
	})
	raw, _ := w.write(bundle.Options{Period: audittest.March(5, 7), Reports: all})
	dir := t.TempDir()
	first := unpack(t, raw, dir)
	file(t, dir, "roots.pem", w.authority.Root)
	token := first(audit.CheckpointsDir, ".tsr")
	checkpoint, _, _ := strings.Cut(token, ".")
	as := strings.NewReplacer("checkpoints/NUMBER", checkpoint, "AUTHORITY", "tsa", "ROOTS.pem", "roots.pem", "reports/PATH", first(audit.ReportsDir, ""))
	for _, name := range []string{audit.VerifyEnglish, audit.VerifyChinese} {
		_, text, _ := strings.Cut(string(member(t, raw, name)), "\n3. ")
		text, _, _ = strings.Cut(text, "\n4. ")
		script := "set -e\nVKEY=$1\n"
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "    ") && !strings.Contains(line, "-attime") {
				script += as.Replace(line)
			}
		}
		cmd := exec.CommandContext(t.Context(), bash, "-c", strings.Replace(script, "leaves)\n", "leaves) && exit 9 || true\n", 1), "bash", w.Key)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		for _, want := range []string{"records/2026-03.jsonl:1\n", "Signature Verified Successfully\n", "Verification: OK\n", "Time stamp: Mar "} {
			if err != nil || !strings.Contains(string(out), want) {
				t.Fatalf("%s: %v, and it does not print %q:\n%s", name, err, want, out)
			}
		}
	}
}

// unpack writes the files of a zip into a folder; first names the first one below a
// folder with such an end.
func unpack(t *testing.T, raw []byte, dir string) (first func(folder, end string) string) {
	t.Helper()
	var names []string
	for name, b := range members(t, raw) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		file(t, dir, name, b)
		names = append(names, name)
	}
	return func(folder, end string) string {
		for _, name := range names {
			if strings.HasPrefix(name, folder) && strings.HasSuffix(name, end) {
				return name
			}
		}
		t.Fatalf("the bundle has no %s…%s", folder, end)
		return ""
	}
}
