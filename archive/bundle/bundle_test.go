package bundle_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/bundle"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// modes of reports.
var (
	all  = audit.Reports{Mode: audit.AllReports}
	none = audit.Reports{Mode: audit.NoReports}
)

// slot is one of the tests: of a day, at the pack's hour.
func slot(pack string, day int) evidence.Slot {
	at := audittest.Moment(day, 2, 0)
	if pack == "cp-3" {
		at = audittest.Moment(day, 6, 30)
	}
	return evidence.Slot{Source: "prod", Pack: pack, Due: at}
}

// clean fails unless what was made, and the audit of it, have no finding.
func clean(t *testing.T, w *world, raw []byte, m bundle.Made) audit.Result {
	t.Helper()
	r := w.audit(raw)
	for _, f := range append(slices.Clone(m.Findings), r.Findings...) {
		t.Errorf("%s %s: %s", f.Word, f.Key, f.Sentence)
	}
	return r
}

// words returns those of findings, each once, in order.
func words(list []audit.Finding) string {
	var all []string
	for _, f := range list {
		all = append(all, string(f.Word))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

func TestBundle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*audittest.Ledger)
		period  audit.Period
		reports audit.Reports
		want    int // reports
		counts  audit.Counts
		begin   bool // from the ledger's beginning
	}{
		"all":    {nil, audittest.March(5, 9), all, 12, audit.Counts{Expected: 12, Sealed: 12}, false},
		"none":   {nil, audittest.March(5, 9), none, 0, audit.Counts{Expected: 12, Sealed: 12}, false},
		"sample": {nil, audittest.March(5, 9), audit.Reports{Mode: audit.SampledReports, Sample: 5}, 5, audit.Counts{Expected: 12, Sealed: 12}, false},
		"packs": {nil, audit.Period{From: audittest.Moment(5, 0, 0), Until: audittest.Moment(9, 0, 0), Zone: "Asia/Shanghai", Packs: []string{"prod/cp-3"}},
			all, 4, audit.Counts{Expected: 4, Sealed: 4}, false},
		"first days": {nil, audittest.March(1, 3), all, 6, audit.Counts{Expected: 6, Sealed: 6}, true},
		"gaps": {func(l *audittest.Ledger) {
			l.Seal = func(l *audittest.Ledger, s evidence.Slot) {
				if s.Pack == "cp-2" {
					l.GapAt(s, s.Due.Add(time.Hour))
					return
				}
				l.SealAt(s, s.Due.Add(time.Minute))
			}
		}, audittest.March(5, 9), all, 8, audit.Counts{Expected: 12, Sealed: 8, Gap: 4}, false},
		"never planned anew": {func(l *audittest.Ledger) { l.Each = nil }, audittest.March(5, 9), all, 12, audit.Counts{Expected: 12, Sealed: 12}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.change)
			raw, m := w.write(bundle.Options{Period: c.period, Reports: c.reports})
			r := clean(t, w, raw, m)
			if r.Reports != c.want || r.Statement.Counts != c.counts || m.Statement.Counts != c.counts {
				t.Errorf("%d reports, %+v, want %d, %+v", r.Reports, r.Statement.Counts, c.want, c.counts)
			}
			if edge := string(member(t, raw, audit.EdgeName)); (edge == "size 0\n") != c.begin {
				t.Errorf("it begins with %q", edge)
			}
			if got := member(t, raw, audit.StatementName); !bytes.Equal(got, m.Raw) {
				t.Errorf("the statement in it is another one:\n%s\n%s", got, m.Raw)
			}
		})
	}
}

// TestSameStatement: the statement alone is the one of the bundle, but for what it says
// of the bundle.
func TestSameStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, m := w.write(bundle.Options{Period: audittest.March(5, 9), Reports: all})
	s, err := w.source().Statement(t.Context(), audittest.March(5, 9))
	if err != nil {
		t.Fatal(err)
	}
	m.Statement.Reports = nil
	if raw, err := m.Statement.Encode(); err != nil || !bytes.Equal(raw, s.Raw) {
		t.Errorf("%v:\n%s\n%s", err, raw, s.Raw)
	}
}

// TestFaults: what is not in the sinks as it was logged is named, and left out.
func TestFaults(t *testing.T) {
	t.Parallel()
	manifest := func(w *world, s evidence.Slot) evidence.Manifest {
		m, err := evidence.DecodeManifest(w.Records[s.ManifestKey()], s)
		if err != nil {
			w.Fatal(err)
		}
		return m
	}
	other := func(w *world, s evidence.Slot) []byte {
		m := manifest(w, s)
		m.Name = "Another pack"
		raw, err := evidence.Encode(m)
		if err != nil {
			w.Fatal(err)
		}
		return raw
	}
	at := slot("cp-1", 6)
	for name, c := range map[string]struct {
		change  func(w *world)
		made    string // words of what was made
		audited string // words of the audit of it
	}{
		"manifest removed": {func(w *world) { w.alter(at.ManifestKey(), nil) }, "unarchived", "unarchived"},
		"manifest altered": {func(w *world) { w.alter(at.ManifestKey(), other(w, at)) }, "altered", "unarchived"},
		"report removed":   {func(w *world) { m := manifest(w, at); w.alter(m.ReportKey(), nil) }, "unarchived", "unarchived"},
		"report altered":   {func(w *world) { m := manifest(w, at); w.alter(m.ReportKey(), []byte("x")) }, "unarchived", "unarchived"},
		"token altered":    {func(w *world) { w.alter(tree.StampKey(24, "tsa"), []byte("x")) }, "token", ""},
		"token planted":    {func(w *world) { w.put(tree.StampKey(900, "tsa"), []byte("x")) }, "", ""},
		"checkpoint of another tree": {func(w *world) {
			w.alter(tree.CheckpointKey(24), w.Checkpoints[23].Raw)
		}, "token", ""},
		"checkpoint of another key": {func(w *world) {
			thief, _ := audittest.NewKey(w.TB, audittest.Origin, 9)
			raw, err := w.Checkpoints[24].Head.Sign(thief)
			if err != nil {
				w.Fatal(err)
			}
			w.alter(tree.CheckpointKey(24), raw)
		}, "unsigned", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			c.change(w)
			raw, m := w.write(bundle.Options{Period: audittest.March(5, 9), Reports: all})
			if got := words(m.Findings); got != c.made {
				t.Errorf("made with %q: %v", got, m.Findings)
			}
			if got := words(w.audit(raw).Findings); got != c.audited {
				t.Errorf("audited with %q", got)
			}
		})
	}
}

// TestLeftOut: whoever takes a report out of a bundle is found, by the mode that its
// statement says.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for name, c := range map[string]struct {
		reports audit.Reports
		want    string
	}{
		"all": {all, "unarchived"}, "sample": {audit.Reports{Mode: audit.SampledReports, Sample: 3}, "unarchived"},
	} {
		raw, _ := w.write(bundle.Options{Period: audittest.March(5, 9), Reports: c.reports})
		took := false
		altered := rewrite(t, raw, func(name string, b []byte) []byte {
			if !took && strings.HasPrefix(name, audit.ReportsDir) {
				took = true
				return nil
			}
			return b
		})
		if got := words(w.audit(altered).Findings); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestOpen: a period that has not ended, and one of before the ledger.
func TestOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	raw, m := w.write(bundle.Options{Period: audittest.March(9, 20), Reports: none})
	if got := words(m.Findings); got != "open short" {
		t.Errorf("made with %q: %v", got, m.Findings)
	}
	if got := words(w.audit(raw).Findings); got != "open short" {
		t.Errorf("audited with %q", got)
	}
	before := audit.Period{From: audittest.Moment(1, 0, 0).AddDate(0, -1, 0), Until: audittest.Moment(2, 0, 0), Zone: "UTC"}
	raw, m = w.write(bundle.Options{Period: before, Reports: none})
	r := clean(t, w, raw, m)
	if !r.Statement.Began.Equal(audittest.Moment(1, 0, 0)) || r.Statement.Counts.Expected != 3 {
		t.Errorf("%+v", r.Statement)
	}
}

// TestVerifiers: those who have no packseal come to the same.
func TestVerifiers(t *testing.T) {
	t.Parallel()
	python := need(t, "python3")
	need(t, "openssl")
	w := newWorld(t, nil)
	raw, _ := w.write(bundle.Options{Period: audittest.March(5, 7), Reports: all})
	dir := t.TempDir()
	roots := file(t, dir, "roots.pem", w.authority.Root)
	script := file(t, dir, "verify.py", member(t, raw, audit.VerifyScript))
	_, other := audittest.NewKey(t, audittest.Origin, 9)
	last := w.Checkpoints[len(w.Checkpoints)-1].Head
	forked := last
	forked.Size, forked.Root[0] = w.Checkpoints[20].Head.Size, 1
	change := func(of string, f func([]byte) []byte) []byte {
		done := false
		return rewrite(t, raw, func(name string, b []byte) []byte {
			if !done && strings.HasPrefix(name, of) {
				done = true
				return f(b)
			}
			return b
		})
	}
	for name, c := range map[string]struct {
		zip  []byte
		args []string
		want string // words of findings; "" = none
	}{
		"whole":              {raw, []string{"--tsa-roots", roots}, ""},
		"without roots":      {raw, nil, ""},
		"other key":          {raw, []string{"--key", other}, "unsigned"},
		"forked":             {raw, []string{"--known", forked.String()}, "forked"},
		"rolled back":        {raw, []string{"--known", last.String()}, "rolled_back"},
		"entry altered":      {change(audit.LeavesName, func(b []byte) []byte { return bytes.Replace(b, []byte("cp-1"), []byte("cp-9"), 1) }), nil, "altered"},
		"record altered":     {change("records/2026", func(b []byte) []byte { return bytes.Replace(b, []byte("Pack"), []byte("Hack"), 1) }), nil, "unarchived unlogged"},
		"report altered":     {change(audit.ReportsDir, func([]byte) []byte { return []byte("x") }), nil, "altered"},
		"checkpoint removed": {change(audit.CheckpointsDir, func([]byte) []byte { return nil }), nil, "unreadable"},
		"token altered":      {rewrite(t, raw, tokens([]byte("x"))), []string{"--tsa-roots", roots}, "token unstamped"},
		"slates left out":    {change(audit.LeavesName, func(b []byte) []byte { return nil }), nil, "unreadable"},
		"statement altered":  {change(audit.StatementName, func(b []byte) []byte { return bytes.Replace(b, []byte(`"gap":0`), []byte(`"gap":1`), 1) }), nil, "claim"},
		"no zip":             {raw[:1000], nil, "unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{script, file(t, t.TempDir(), "b.zip", c.zip)}, c.args...)
			if !slices.Contains(args, "--key") {
				args = append(args, "--key", w.Key)
			}
			out, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput()
			var found []string
			for line := range strings.Lines(string(out)) {
				if word, _, ok := strings.Cut(line, ": "); ok && !strings.Contains(word, " ") && word != "findings" {
					found = append(found, word)
				}
			}
			slices.Sort(found)
			if got := strings.Join(slices.Compact(found), " "); got != c.want || (err == nil) != (c.want == "") {
				t.Errorf("%q, want %q, %v:\n%s", got, c.want, err, out)
			}
		})
	}
}

// tokens replaces every token.
func tokens(by []byte) func(string, []byte) []byte {
	return func(name string, b []byte) []byte {
		if strings.HasSuffix(name, ".tsr") {
			return by
		}
		return b
	}
}

// TestProve: the shell script finds what is wrong with a proof.
func TestProve(t *testing.T) {
	t.Parallel()
	bash := need(t, "bash")
	need(t, "openssl")
	w := newWorld(t, nil)
	p, err := w.source().Prove(t.Context(), slot("cp-2", 6))
	if err != nil {
		t.Fatal(err)
	}
	if p.Manifest == nil || !p.Stamped.Equal(audittest.Moment(6, 2, 10)) || len(p.Files) != 3 {
		t.Fatalf("%+v", p)
	}
	dir := t.TempDir()
	b, err := io.ReadAll(open(t, "verify/prove.sh"))
	if err != nil {
		t.Fatal(err)
	}
	script, roots := file(t, dir, "prove.sh", b), file(t, dir, "roots.pem", w.authority.Root)
	proof, manifest, token := p.Files[p.Name+".tlog-proof"], p.Files[evidence.ManifestName], p.Files[p.Name+".tsa.tsr"]
	report := w.Reports[p.Manifest.ReportKey()]
	_, other := audittest.NewKey(t, audittest.Origin, 9)
	for name, c := range map[string]struct {
		proof, manifest, report, token []byte
		key                            string
		want                           bool
	}{
		"whole":            {proof, manifest, report, token, w.Key, true},
		"without token":    {proof, manifest, report, nil, w.Key, true},
		"other key":        {proof, manifest, report, token, other, false},
		"manifest altered": {proof, append(slices.Clone(manifest), ' '), report, token, w.Key, false},
		"report altered":   {proof, manifest, append(slices.Clone(report), ' '), token, w.Key, false},
		"token altered":    {proof, manifest, report, append([]byte("x"), token...), w.Key, false},
		"other root":       {bytes.Replace(proof, []byte("\n\n"+audittest.Origin), []byte("\n"+strings.Repeat("A", 43)+"=\n\n"+audittest.Origin), 1), manifest, report, token, w.Key, false},
		"other size":       {bytes.Replace(proof, []byte("index "), []byte("index 1"), 1), manifest, report, token, w.Key, false},
		"empty":            {nil, manifest, report, token, w.Key, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := []string{script, file(t, dir, "p", c.proof), file(t, dir, "m", c.manifest), c.key, file(t, dir, "r", c.report)}
			if c.token != nil {
				args = append(args, file(t, dir, "t", c.token), roots)
			}
			out, err := exec.CommandContext(t.Context(), bash, args...).CombinedOutput()
			if (err == nil) != c.want || c.want != strings.HasPrefix(string(out), "PROVEN") {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
	if _, err := w.source().Prove(t.Context(), slot("cp-2", 20)); fault.Of(err) != fault.NotFound {
		t.Errorf("a slot without a record: %v", err)
	}
}

// TestProveEach: every entry of a slot is proven by the first stamped checkpoint.
func TestProveEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for day := 1; day < 12; day++ {
		p, err := w.source().Prove(t.Context(), slot("cp-3", day))
		if err != nil {
			t.Fatal(err)
		}
		proof, err := tree.ParseProof(p.Files[p.Name+".tlog-proof"])
		if err != nil {
			t.Fatal(err)
		}
		if c, err := proof.Check(p.Files[evidence.ManifestName], w.verifiers()); err != nil || c.Size <= p.Index {
			t.Errorf("day %d: %v, %v", day, c, err)
		}
	}
}

// member returns a file of a zip.
func member(t testing.TB, raw []byte, name string) (b []byte) {
	t.Helper()
	rewrite(t, raw, func(n string, content []byte) []byte {
		if n == name {
			b = content
		}
		return content
	})
	return b
}

// rewrite returns a zip with the files changed; nil removes one.
func rewrite(t testing.TB, raw []byte, change func(name string, b []byte) []byte) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if b = change(f.Name, b); b == nil {
			continue
		}
		o, err := w.Create(f.Name)
		if err == nil {
			_, err = o.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestPage: the page has nothing that a browser would fetch or run, its style is what a
// policy can name, and what strangers wrote stays text.
func TestPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(l *audittest.Ledger) {
		l.Seal = func(l *audittest.Ledger, s evidence.Slot) {
			if s.Pack == "cp-2" {
				raw, err := evidence.Encode(evidence.NewGap(s, fault.Deadline, "<script>alert(1)</script>", s.Due.Add(time.Hour), audittest.Tool))
				if err != nil {
					t.Fatal(err)
				}
				l.Log(s.GapKey(), raw)
				return
			}
			l.SealAt(s, s.Due.Add(time.Minute))
		}
	})
	raw, m := w.write(bundle.Options{Period: audit.Period{From: audittest.Moment(5, 0, 0), Until: audittest.Moment(9, 0, 0), Zone: "Asia/Shanghai"}, Reports: all})
	page := string(member(t, raw, audit.PageName))
	for _, want := range []string{
		"Statement on compliance reports", "合规报告存证声明", "<td class=\"n\">12</td>", "&lt;script&gt;alert(1)", "deadline",
		"2026-03-06 10:00:00 &#43;08:00", "Pack (prod/cp-1)", `download="2026-03-05 1000 Pack (cp-1).xls"`, "VERIFY.zh.txt",
		"that the operator, the time-stamping authorities and the witnesses do not act together",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	links := regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	for _, link := range links {
		if member(t, raw, link[1]) == nil {
			t.Errorf("%q is not in the bundle", link[1])
		}
	}
	if len(links) < 8 || strings.Contains(page, "<script") || strings.Contains(page, "http://") || strings.Contains(page, "https://") || strings.Contains(page, "ZgotmplZ") {
		t.Errorf("the page has %d links, or a script, or an address", len(links))
	}
	var alone strings.Builder
	if err := bundle.StatementPage(&alone, *m.Statement, audit.Chinese, bundle.Link{Path: "/", Name: "packseal"}); err != nil {
		t.Fatal(err)
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(alone.String())
	if sum := sha256.Sum256([]byte(style[1])); "sha256-"+base64.StdEncoding.EncodeToString(sum[:]) != bundle.StyleSource() {
		t.Error("the style is not the one that a policy names")
	}
	if got := alone.String(); !strings.Contains(got, `id="zh" checked`) || !strings.Contains(got, `<a href="/">packseal</a>`) {
		t.Errorf("%.2000s", got)
	}
}
