package archive_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// TestExport: a report leaves the archive whole and as its manifest says, from
// whichever sink has it so, or not at all.
func TestExport(t *testing.T) {
	t.Parallel()
	full := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	at := due()
	full.settle(t, at)
	good := full.sinks[0].Sink
	m, _, err := full.Manifest(t.Context(), slot("cp-1", at))
	if err != nil {
		t.Fatal(err)
	}
	want, err := sink.ReadAll(t.Context(), good, m.ReportKey(), m.Size)
	if err != nil {
		t.Fatal(err)
	}
	with := func(report []byte) sink.Sink {
		s := sink.NewMemory()
		for key, content := range objects(t, good) {
			if key == m.ReportKey() {
				content = string(report)
			}
			if report == nil && key == m.ReportKey() {
				continue
			}
			if err := s.Put(t.Context(), key, sink.Bytes([]byte(content))); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	altered := bytes.Clone(want)
	altered[len(altered)/2] ^= 1
	for name, c := range map[string]struct {
		sinks []sink.Sink
		want  fault.Reason
	}{
		"good":                 {[]sink.Sink{good}, ""},
		"the second":           {[]sink.Sink{with(altered), with(nil), unopened{good}, good}, ""},
		"altered":              {[]sink.Sink{with(altered)}, fault.Damaged},
		"longer":               {[]sink.Sink{with(append(bytes.Clone(want), 'x'))}, fault.Damaged},
		"shorter, others gone": {[]sink.Sink{with(want[:len(want)-1]), with(nil)}, fault.Damaged},
		"down":                 {[]sink.Sink{unopened{good}}, fault.SinkUnavailable},
		"none":                 {[]sink.Sink{sink.NewMemory()}, fault.NotFound},
	} {
		var targets []archive.Target
		for i, s := range c.sinks {
			targets = append(targets, archive.Target{Name: string(rune('a' + i)), Sink: s})
		}
		var got bytes.Buffer
		err := newRig(t, fetcher.Settings{}, nil, targets...).Export(t.Context(), slot("cp-1", at), &got)
		if fault.Of(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if exported := got.Bytes(); err == nil && !bytes.Equal(exported, want) || err != nil && len(exported) > 0 {
			t.Errorf("%s: %d bytes are exported", name, len(exported))
		}
	}
}

// TestExportLarge: a large report is checked in a temporary file, and that there is no
// folder for one is not taken for a report that is not there.
func TestExportLarge(t *testing.T) {
	store := sink.NewMemory()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: store})
	s, want := slot("cp-1", due().Add(-time.Hour)), strings.Repeat("Resource,Result\n", 2<<20+1) // 32 MiB and some
	if _, err := h.Import(t.Context(), s, strings.NewReader(want), evidence.Imported{At: time.Now().UTC(), By: "test", File: "r.csv"}, fetcher.Settings{}); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	if err := h.Export(t.Context(), s, &got); err != nil || got.String() != want {
		t.Errorf("%d bytes are exported, %v", got.Len(), err)
	}
	got.Reset()
	altered := newRig(t, fetcher.Settings{}, nil, archive.Target{Name: "a", Sink: spoilt{store, "report-"}})
	if err := altered.Export(t.Context(), s, &got); fault.Of(err) != fault.Damaged || got.Len() > 0 {
		t.Errorf("altered: %d bytes are exported, %v", got.Len(), err)
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nowhere"))
	if err := h.Export(t.Context(), s, &got); errors.Is(err, sink.ErrNotExist) || !strings.Contains(fault.Hint(err), "TMPDIR") || got.Len() > 0 {
		t.Errorf("without a folder: %v, hint %q", err, fault.Hint(err))
	}
}
