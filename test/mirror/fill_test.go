package mirror

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// daily is when packs are due.
const daily = `source: prod, schedule: "0 0 * * *", jitter: 0s`

// days is how long the archive is that is mirrored.
const days = 365

// yearOfReports writes a report for each day of a year, each another one, and returns the
// files' names.
func yearOfReports(l *lab.Lab) (names []string) {
	first := time.Now().UTC().AddDate(0, 0, -days).Truncate(24 * time.Hour)
	for i := range days {
		name := first.AddDate(0, 0, i).Format(time.DateOnly) + ".csv"
		l.Write(name, "rule,resource,result\n"+strings.Repeat(fmt.Sprintf("ecs-in-vpc,i-%d,COMPLIANT\n", i), 800))
		names = append(names, l.Path(name))
	}
	return names
}

// tree returns the files below a folder with their contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		key, err2 := filepath.Rel(dir, path)
		if all[key] = string(b); err == nil {
			err = err2
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFill: a bucket that is added to an archive of a year gets all of it, by packseal
// alone: evidence by repair, the ledger by the daemon. Restored from the bucket alone, the
// archive is the same, byte by byte.
func TestFill(t *testing.T) {
	t.Parallel()
	l := lab.New(t, sim.Pack{ID: lab.Pack})
	l.Write("id", id)
	l.Write("secret", secret)
	gateway := startGateway(t)
	bucket := gateway.bucket(t, "mirror")
	primary := "{name: primary, local: {dir: primary}}"
	ledger := "ledger: {origin: example.com/packseal/mirror, key_file: ledger-key, interval: 1s}\n"
	run := func(verb ...string) string {
		t.Helper()
		out, err := l.Run(verb...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", verb, err, out)
		}
		return out
	}
	l.Configure(lab.Setup{Defaults: daily, Sinks: "[" + primary + "]", More: ledger})
	run("ledger", "init")
	run(append([]string{"import", "--who", "Li Wei", "--pack", lab.Pack}, yearOfReports(l)...)...)

	l.Configure(lab.Setup{Defaults: daily, Sinks: "[" + primary + ", " + gateway.sink("mirror", "mirror") + "]", More: ledger})
	daemon := l.Start()
	daemon.Ready() // it commits what was logged
	whole := func() map[string]string { return tree(t, l.Path("primary")) }
	daemon.Eventually(time.Minute, func() string {
		if n := strings.Count(strings.Join(slices.Collect(maps.Keys(whole())), "\n"), "packseal-ledger/batch/"); n == 0 {
			return "the ledger has no batch"
		}
		return ""
	})
	began := time.Now()
	out := run("repair", "--sink", "mirror", "--json")
	took := time.Since(began)
	var result struct {
		Repaired int   `json:"repaired"`
		Problems []any `json:"problems"`
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.Repaired < 2*days || len(result.Problems) > 0 {
		t.Fatalf("%v: %.2000s", err, out)
	}
	t.Logf("%d slots in %s: %.0f a second", days, took.Round(time.Millisecond), days/took.Seconds())
	daemon.Eventually(time.Minute, func() string {
		keys, err := bucket.keys(t.Context())
		if want := len(whole()); err != nil || len(keys) != want {
			return fmt.Sprintf("the mirror has %d objects of %d, %v", len(keys), want, err)
		}
		return ""
	})
	daemon.Stop()

	run("verify")
	out = run("restore", "--dir", l.Path("drill"), "--sink", "mirror")
	t.Log(strings.TrimSpace(out))
	if want, got := whole(), tree(t, l.Path("drill")); !maps.Equal(got, want) {
		t.Errorf("restored from the mirror are %d objects, the primary sink has %d", len(got), len(want))
	}
}
