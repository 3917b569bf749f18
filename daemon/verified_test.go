package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/archive"
	"packseal.example/internal/evidence"
)

func TestVerifiedMetrics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	problems := func(n string) string {
		return `# HELP packseal_verify_problems Problems that the last packseal verify found, without acknowledged ones, by kind.
# TYPE packseal_verify_problems gauge
packseal_verify_problems{kind="absent"} 0
packseal_verify_problems{kind="altered"} ` + n + `
packseal_verify_problems{kind="deleted"} 0
packseal_verify_problems{kind="divergent"} 0
packseal_verify_problems{kind="forked"} 0
packseal_verify_problems{kind="lock_short"} 0
packseal_verify_problems{kind="malformed"} 0
packseal_verify_problems{kind="missing"} 0
packseal_verify_problems{kind="newer"} 0
packseal_verify_problems{kind="orphaned"} 0
packseal_verify_problems{kind="rolled_back"} 0
packseal_verify_problems{kind="unarchived"} 0
packseal_verify_problems{kind="unlocked"} 0
packseal_verify_problems{kind="unlogged"} 0
packseal_verify_problems{kind="unmirrored"} 0
packseal_verify_problems{kind="unslated"} 0
packseal_verify_problems{kind="vanished"} 0
packseal_verify_problems{kind="void"} 0
`
	}
	c := verifiedCollector(dir)
	check := func(n string) {
		t.Helper()
		if err := testutil.CollectAndCompare(c, strings.NewReader(problems(n)), "packseal_verify_problems"); err != nil {
			t.Error(err)
		}
	}
	check("0")
	if err := SaveVerified(dir, archive.Result{}); err != nil {
		t.Fatal(err)
	}
	good := loadVerified(dir).Success
	if good.IsZero() {
		t.Error("a run without problems is no success")
	}
	if err := SaveVerified(dir, archive.Result{Problems: []archive.Problem{{Kind: archive.Altered}, {Kind: archive.Altered}}}); err != nil {
		t.Fatal(err)
	}
	check("2")
	known := archive.Problem{Kind: archive.Altered, Ack: &evidence.Ack{Who: "ops"}}
	if err := SaveVerified(dir, archive.Result{Problems: []archive.Problem{{Kind: archive.Altered}, known}}); err != nil {
		t.Fatal(err)
	}
	check("1")
	if now := loadVerified(dir).Success; !now.Equal(good) {
		t.Errorf("the last success moved to %v", now)
	}
	if err := SaveVerified(dir, archive.Result{Problems: []archive.Problem{known}}); err != nil || !loadVerified(dir).Success.After(good) {
		t.Errorf("a run with acknowledged problems alone is no success: %v", err)
	}
	check("0")
	if err := os.WriteFile(verifiedPath(dir), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("0")
}

// TestVerifiedByRoot: what root's verification leaves is the daemon's to read,
// and a link that the daemon's user has put there is not followed.
func TestVerifiedByRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("it takes root")
	}
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("root's own"), 0o600); err != nil {
		t.Fatal(err)
	}
	const daemon = 61234
	if err := os.Chown(dir, daemon, daemon); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, verifiedPath(dir)); err != nil {
		t.Fatal(err)
	}
	if err := SaveVerified(dir, archive.Result{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint32{verifiedPath(dir): daemon, elsewhere: 0} {
		fi, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if owner := fi.Sys().(*syscall.Stat_t).Uid; owner != want || !fi.Mode().IsRegular() {
			t.Errorf("%s is %s of user %d, want %d", filepath.Base(name), fi.Mode(), owner, want)
		}
	}
	if b, err := os.ReadFile(elsewhere); err != nil || string(b) != "root's own" {
		t.Errorf("the file elsewhere holds %q, %v", b, err)
	}
}

// TestLockMetrics: how long the first lock lasts is told of each sink that has locks,
// also long after the verification that read it.
func TestLockMetrics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := verifiedCollector(dir)
	if n := testutil.CollectAndCount(c, "packseal_verify_lock_remaining_seconds"); n != 0 {
		t.Errorf("%d sinks with locks, and nothing was verified", n)
	}
	locks := []archive.Locked{
		{Sink: "ended", Read: 2, Ended: 1, Until: time.Now().Add(-time.Hour)},
		{Sink: "long", Read: 2, Until: time.Now().Add(240 * time.Hour)},
	}
	if err := SaveVerified(dir, archive.Result{Locks: locks}); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	left := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "packseal_verify_lock_remaining_seconds" {
				left[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if len(left) != 2 || left["ended"] != 0 || left["long"] < 239*3600 || left["long"] > 240*3600 {
		t.Errorf("got %v", left)
	}
}
