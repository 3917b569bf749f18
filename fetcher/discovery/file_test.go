package discovery

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
)

// some is a state with every field.
func some() State {
	at := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
	return State{
		Revision: 3, Scope: Scope{All: true, Aggregators: []string{"ca-1"}}, Tried: at, Listed: at.Add(-time.Hour),
		Packs: []Pack{
			{PackInfo: fetcher.PackInfo{ID: "cp-1", Account: "12", Name: "等保", Status: "ACTIVE", Template: "ct-1", Risk: 1, Tags: map[string]string{"env": "prod"}, Created: at}},
			{PackInfo: fetcher.PackInfo{ID: "cp-2", Aggregator: "ca-1"}, Found: at, Missed: 1},
		},
		Troubles: []Trouble{{Aggregator: "ca-2", Message: "being created", Hint: "wait", Reason: fault.NotReady, Passing: true}},
	}
}

// TestFile: what is kept is read again, and shared likewise.
func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got, err := Load(dir); err != nil || got != nil {
		t.Errorf("without a file: %v, %v", got, err)
	}
	want := map[string]State{"prod": some(), "other": {}}
	if err := Save(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -saved +read:\n%s", err, diff)
	}
	b, err := some().Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(b)
	if diff := cmp.Diff(some(), back); err != nil || diff != "" {
		t.Errorf("%v, -sent +received:\n%s", err, diff)
	}
	if err := Save(filepath.Join(dir, "none"), want); err == nil {
		t.Error("it was saved in a folder that is not there")
	}
}

// TestBadFile: a file that is damaged or newer is an error, and a pack in it that
// can't be one is left out.
func TestBadFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		packs   int
		err     fault.Reason
	}{
		"cut":           {`{"version":1,"sources":{"prod":{"packs":[{"id":"cp-1"`, 0, fault.Damaged},
		"newer":         {`{"version":2}`, 0, fault.Newer},
		"without packs": {`{"version":1,"sources":{"prod":{}}}`, 0, ""},
		"an odd pack":   {`{"version":1,"sources":{"prod":{"packs":[{"id":"cp-1"},{"id":"../x"},{"id":"cp-2","aggregator":"a/b"}]}}}`, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(path(dir), []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Load(dir)
			if fault.Of(err) != c.err || len(got["prod"].Packs) != c.packs {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

// FuzzFile: whatever is in the file, it is packs whose IDs can be part of a name, or
// an error.
func FuzzFile(f *testing.F) {
	b, err := json.Marshal(file{fileVersion, map[string]State{"prod": some()}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		sources, err := decodeFile(b)
		if err != nil && (sources != nil || fault.Hint(err) == "") {
			t.Errorf("%v, %v", sources, err)
		}
		for _, s := range sources {
			for _, p := range s.Packs {
				if !packID.MatchString(p.ID) {
					t.Errorf("a pack %q", p.ID)
				}
			}
		}
	})
}

// TestDecodeDamaged: what another replica has written may be damaged.
func TestDecodeDamaged(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{nil, []byte("{}"), {0x1f, 0x8b}} {
		if s, err := Decode(b); fault.Of(err) != fault.Damaged || len(s.Packs) > 0 {
			t.Errorf("%v, %v", s, err)
		}
	}
}
