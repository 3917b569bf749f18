package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/test/lab"
)

// volume is a folder as a ConfigMap's: what is in it are links that lead over
// ..data, which is swapped.
type volume struct {
	dir  string
	turn int
}

func (v *volume) swap(t *testing.T, content string) {
	t.Helper()
	v.turn++
	version := fmt.Sprintf("..%d", v.turn)
	if err := os.Mkdir(filepath.Join(v.dir, version), 0o700); err != nil {
		t.Fatal(err)
	}
	lab.Write(t, filepath.Join(v.dir, version), map[string]string{"packseal.yaml": content})
	next := filepath.Join(v.dir, "..next")
	if err := os.Symlink(version, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(v.dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

// small is a good configuration; n tells one from another.
func small(n int) string {
	return fmt.Sprintf(`state_dir: state
sources: {prod: {cloudconfig: {endpoint: "http://127.0.0.1:1", credentials: {access_key_id_file: key, access_key_secret_file: key}}}}
packs: [{id: cp-%d}]
sinks: [{name: archive, local: {dir: archive}}]
`, n)
}

// TestWatch goes through what can happen to a file, in order.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := volume{dir: t.TempDir()}
		lab.Write(t, v.dir, map[string]string{"key": "k"})
		v.swap(t, small(0))
		f := &ConfigFile{Path: filepath.Join(v.dir, "packseal.yaml")}
		if err := os.Symlink(filepath.Join("..data", "packseal.yaml"), f.Path); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Load(); err != nil {
			t.Fatal(err)
		}
		var loads, refused atomic.Int32
		ctx, stop := context.WithCancel(t.Context())
		go f.Watch(ctx, func() {
			loads.Add(1)
			if _, err := f.Load(); err != nil {
				refused.Add(1)
			}
		})
		after := func(what string, wantLoads, wantRefused int32) {
			t.Helper()
			time.Sleep(10 * watchEvery)
			synctest.Wait()
			if l, r := loads.Swap(0), refused.Swap(0); l != wantLoads || r != wantRefused {
				t.Errorf("%s: %d loads, %d refused; want %d, %d", what, l, r, wantLoads, wantRefused)
			}
		}
		time.Sleep(watchEvery / 2) // what follows happens between two looks

		after("nothing", 0, 0)
		v.swap(t, small(1))
		after("a swap", 1, 0)
		v.swap(t, small(1))
		after("a swap to the same", 0, 0)
		for i := range 10 {
			lab.Write(t, v.dir, map[string]string{"..data/packseal.yaml": small(2) + strings.Repeat("# half a line\n", i)})
			time.Sleep(watchEvery)
		}
		synctest.Wait()
		if n := loads.Load(); n != 0 {
			t.Errorf("%d loads while the file was being written", n)
		}
		after("written slowly", 1, 0)
		v.swap(t, small(3))
		if _, err := f.Load(); err != nil { // as SIGHUP does
			t.Error(err)
		}
		after("loaded by somebody else", 0, 0)
		v.swap(t, "packs: []")
		after("a bad one, told once", 1, 1)
		v.swap(t, strings.Replace(small(4), "access_key_id_file: key", "access_key_id_file: other", 1))
		after("a secret that is missing", 1, 1)
		lab.Write(t, v.dir, map[string]string{"other": "k"})
		after("the secret has come", 1, 0)
		if err := os.Remove(f.Path); err != nil {
			t.Fatal(err)
		}
		after("no file", 1, 1)
		lab.Write(t, v.dir, map[string]string{"packseal.yaml": small(5)})
		after("a file again", 1, 0)
		stop()
	})
}
