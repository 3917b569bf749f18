package evidence_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// golden returns the manifest in testdata, and its bytes.
func golden(t testing.TB, version string) (evidence.Manifest, []byte) {
	t.Helper()
	raw, err := os.ReadFile("testdata/manifest." + version + ".json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := evidence.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v.(evidence.Manifest), raw
}

// TestManifests: what every version wrote can be read, and is written again
// as the very same bytes.
func TestManifests(t *testing.T) {
	t.Parallel()
	for version, imported := range map[string]string{"v1": "", "v2": "", "v3": "", "v2.imported": "李 <a>"} {
		m, raw := golden(t, version)
		if m.Schema != "packseal.manifest/"+version[:2] || m.Kind != m.Slot().Ref().Kind() {
			t.Errorf("%s: schema %s, kind %s", version, m.Schema, m.Kind)
		}
		again, err := evidence.Encode(m)
		if diff := cmp.Diff(string(raw), string(again)); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", version, err, diff)
		}
		if _, err := evidence.DecodeManifest(raw, m.Slot()); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		if r := m.Record(); r.Slot != m.Slot() || r.Object != m.ReportKey() || r.State != evidence.Sealed || r.Imported != imported {
			t.Errorf("%s: record %+v", version, r)
		}
	}
}

// with replaces the first occurrence of old in a record.
func with(raw []byte, old, next string) []byte {
	return []byte(strings.Replace(string(raw), old, next, 1))
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	m, v2 := golden(t, "v2")
	_, v1 := golden(t, "v1")
	_, imported := golden(t, "v2.imported")
	gap, err := evidence.Encode(evidence.NewGap(m.Slot(), fault.Missed, "", time.Unix(0, 0), "packseal/test"))
	if err != nil {
		t.Fatal(err)
	}
	other := m.Slot()
	other.Due = other.Due.Add(time.Hour)
	for name, c := range map[string]struct {
		b      []byte
		slot   evidence.Slot
		reason fault.Reason
	}{
		"not JSON":               {[]byte("{"), m.Slot(), fault.Damaged},
		"another slot's":         {v2, other, fault.Damaged},
		"a gap record":           {gap, m.Slot(), fault.Damaged},
		"no schema":              {[]byte(`{"a":1}`), m.Slot(), fault.Damaged},
		"a foreign schema":       {[]byte(`{"schema":"x/v3"}`), m.Slot(), fault.Damaged},
		"version 0":              {with(v2, "manifest/v2", "manifest/v0"), m.Slot(), fault.Damaged},
		"not canonical":          {append([]byte(" "), v2...), m.Slot(), fault.Damaged},
		"an unknown field":       {with(v2, `{"account"`, `{"a":1,"account"`), m.Slot(), fault.Damaged},
		"a field of v2 in v1":    {with(v1, `"attached"`, `"anomalies":["x"],"attached"`), m.Slot(), fault.Damaged},
		"a field of v3 in v2":    {with(v2, `"size"`, `"sinks":["a"],"size"`), m.Slot(), fault.Damaged},
		"a field of v3 in v1":    {with(v1, `"size"`, `"sinks":["a"],"size"`), m.Slot(), fault.Damaged},
		"imported, in v1":        {with(v1, `"kind"`, `"imported":{"at":"2026-05-01T18:00:00Z","by":"x","file":"x"},"kind"`), m.Slot(), fault.Damaged},
		"imported by nobody":     {with(imported, `"李 <a>"`, `""`), m.Slot(), fault.Damaged},
		"imported and fetched":   {with(imported, `"imported"`, `"fetched":"2026-05-01T18:00:00Z","imported"`), m.Slot(), fault.Damaged},
		"imported late":          {with(imported, `"md5"`, `"late_seconds":7,"md5"`), m.Slot(), fault.Damaged},
		"another folder":         {with(v2, `"report-`, `"../report-`), m.Slot(), fault.Damaged},
		"not an object's name":   {with(v2, `"report-`, `"report-\\`), m.Slot(), fault.Damaged},
		"a negative size":        {with(v2, `"size":`, `"size":-`), m.Slot(), fault.Damaged},
		"manifest v4":            {with(v2, "manifest/v2", "manifest/v4"), m.Slot(), fault.Newer},
		"v4, with other fields":  {[]byte(`{"proof":{"a":[1]},"schema":"packseal.manifest/v4"}`), m.Slot(), fault.Newer},
		"a record yet to come":   {[]byte(`{"schema":"packseal.statement/v1"}`), m.Slot(), fault.Newer},
		"v4 that is no manifest": {[]byte(`{"schema":"packseal.manifest/v4"`), m.Slot(), fault.Damaged},
	} {
		_, err := evidence.DecodeManifest(c.b, c.slot)
		if fault.Of(err) != c.reason {
			t.Errorf("%s: %v", name, err)
		}
		if c.reason == fault.Newer && (!strings.Contains(err.Error(), "newer than this program") || fault.Hint(err) == "") {
			t.Errorf("%s: %v, hint %q", name, err, fault.Hint(err))
		}
	}
	if _, err := evidence.DecodeGap(v2, m.Slot()); fault.Of(err) != fault.Damaged {
		t.Errorf("a manifest is read as a gap record: %v", err)
	}
	if _, err := evidence.DecodeGap(with(gap, "gap/v1", "gap/v3"), m.Slot()); fault.Of(err) != fault.Newer {
		t.Errorf("gap v3: %v", err)
	}
	if _, err := evidence.DecodeGap(with(gap, `"pack"`, `"labels":{"owner":"security"},"pack"`), m.Slot()); fault.Of(err) != fault.Damaged {
		t.Errorf("a field of v2 in v1: %v", err)
	}
}

// TestLabelledGap: the gap record of a pack with labels has them, in a schema of its
// own; that of a pack without is as it ever was.
func TestLabelledGap(t *testing.T) {
	t.Parallel()
	m, _ := golden(t, "v2")
	plain := evidence.NewGap(m.Slot(), fault.Missed, "", time.Unix(0, 0), "packseal/test")
	for schema, g := range map[string]evidence.Gap{
		"packseal.gap/v1": plain.Labelled(nil),
		"packseal.gap/v2": plain.Labelled(map[string]string{"system": "pay", "owner": "security"}),
	} {
		raw, err := evidence.Encode(g)
		if err != nil {
			t.Fatal(err)
		}
		got, err := evidence.DecodeGap(raw, m.Slot())
		if diff := cmp.Diff(g, got); err != nil || diff != "" || got.Schema != schema {
			t.Errorf("%s is read as %s, %v: %s", raw, got.Schema, err, diff)
		}
		if labels := strings.Contains(string(raw), `"labels":{"owner":"security","system":"pay"},"pack"`); labels != (schema == "packseal.gap/v2") {
			t.Errorf("%s", raw)
		}
	}
}

// FuzzRecord: a stranger's record is read, or refused as damaged or newer; what
// is read is the slot's, in canonical form, and names an object of the slot.
func FuzzRecord(f *testing.F) {
	m, v2 := golden(f, "v2")
	_, v1 := golden(f, "v1")
	f.Add(v2)
	f.Add(v1)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := evidence.DecodeManifest(b, m.Slot())
		if err == nil {
			key := got.ReportKey()
			if s, name, ok := evidence.ParseKey(key); got.Slot() != m.Slot() || got.Size < 0 || !ok || s != m.Slot() || name != got.Object || sink.CheckKey(key) != nil {
				t.Errorf("accepted %+v", got)
			}
			if again, err := evidence.Encode(got); err != nil || string(again) != string(b) {
				t.Errorf("encoded again it is %q, %v", again, err)
			}
		} else if r := fault.Of(err); r != fault.Damaged && r != fault.Newer && len(b) <= evidence.MaxRecord {
			t.Errorf("%v is neither damaged nor newer", err)
		}
		if got, err := evidence.DecodeGap(b, m.Slot()); err == nil && got.Slot() != m.Slot() {
			t.Error("another slot's gap is accepted")
		}
	})
}

// TestKinds: the kind of a report follows from its key.
func TestKinds(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"cp-1": "compliance_pack", "ca-1/cp-1": "aggregate_compliance_pack", "rules": "rules", "ca-1/rules": "aggregate_rules",
		"crt-1": "template", "inventory": "inventory",
	} {
		p := evidence.Ref("prod.1234567890123456", key)
		if p.Kind() != want || p.Key() != key {
			t.Errorf("%s: kind %q, key %q", key, p.Kind(), p.Key())
		}
		s := p.Slot(time.Date(2026, 5, 1, 18, 0, 0, 0, time.UTC))
		if got, name, ok := evidence.ParseKey(s.GapKey()); !ok || got != s || name != evidence.GapName {
			t.Errorf("%s is parsed as %v, %q, %t", s.GapKey(), got, name, ok)
		}
		if got, err := evidence.ParseSlot(s.ID()); err != nil || got != s || got.Ref() != p {
			t.Errorf("%s is parsed as %v, %v", s.ID(), got, err)
		}
	}
	for _, id := range []string{"", "prod", "prod/cp-1", "prod/cp-1@", "prod/cp-1@2026-05-01", "/cp-1@20260501T180000Z", "prod/@20260501T180000Z"} {
		if s, err := evidence.ParseSlot(id); fault.Of(err) != fault.Request || fault.Hint(err) == "" {
			t.Errorf("%q is parsed as %v, %v", id, s, err)
		}
	}
}
