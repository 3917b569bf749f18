package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
	"packseal.example/test/lab"
)

// The packs of patient.
const (
	goodPack   = "cp-fdc8626622af00f90000"
	newPack    = "cp-1a4f626622af00b10001"
	deniedPack = "cp-3b7e626622af00c20002"
	stalePack  = "cp-5c9d626622af00d30003"
)

// patient starts a simulator in which much is wrong, and writes a
// configuration of it; more is added to its source's settings.
func patient(t *testing.T, skew time.Duration, more string) (path string, server *sim.Server) {
	t.Helper()
	server, err := sim.New(sim.Options{AccessKeyID: simKeyID, AccessKeySecret: simKeySecret, Skew: skew, Packs: []sim.Pack{
		{ID: goodPack, Script: sim.Script{Standing: time.Hour}},
		{ID: newPack},
		{ID: deniedPack, Script: sim.Script{Failures: []sim.Failure{{Code: "NoPermission", Times: 1000}}}},
		{ID: stalePack, Aggregator: "ca-f632626622af00790000", Script: sim.Script{Standing: time.Hour, ExpiredLinks: 1000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(server)
	t.Cleanup(api.Close)
	return lab.Setup{
		Endpoint: api.URL, Source: "requests_per_second: 50" + more, Defaults: `schedule: "0 2 * * *"`,
		Packs: []string{"{id: " + goodPack + "}", "{id: " + newPack + "}", "{id: " + deniedPack + "}", "{id: " + stalePack + ", aggregator: ca-f632626622af00790000}"},
	}.Write(t), server
}

// examination is one line of doctor --json.
type examination struct {
	Check, Target, Detail, Hint string
	OK                          *bool
	Reason                      fault.Reason
}

// doctorSays runs doctor and returns its exit code and its results.
func doctorSays(t *testing.T, args ...string) (code int, results []examination) {
	t.Helper()
	var out, talk bytes.Buffer
	code = run(t.Context(), append([]string{"doctor", "--json", "--config"}, args...), &out, &talk)
	if talk.Len() > 0 {
		t.Errorf("said beside the results: %s", talk.String())
	}
	for d := json.NewDecoder(&out); ; {
		var e examination
		switch err := d.Decode(&e); err {
		case nil:
			results = append(results, e)
		case io.EOF:
			return code, results
		default:
			t.Fatal(err)
		}
	}
}

// brief is each result with its mark, in a line, without those of the sink and
// of what follows.
func brief(results []examination) (lines []string) {
	for _, e := range results {
		mark := "–"
		if e.OK != nil {
			mark = map[bool]string{true: "✓", false: "✗"}[*e.OK]
		}
		if strings.HasPrefix(e.Target, "sink") {
			break
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", mark, e.Check, strings.TrimPrefix(e.Target, "prod/"), e.Reason)))
	}
	return lines[1:] // but for the configuration, whose target is a path
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	head := []string{"✓ endpoint source prod", "✓ clock source prod", "✓ credentials source prod"}
	good := append(head, "✓ permission "+goodPack, "✓ link "+goodPack)
	packs := append(good[:len(good):len(good)], "✓ permission "+newPack, "– link "+newPack, "✗ permission "+deniedPack+" denied",
		"✓ permission ca-f632626622af00790000/"+stalePack, "✗ link ca-f632626622af00790000/"+stalePack+" link_expired")
	skewed := append([]string{"✓ endpoint source prod", "✗ clock source prod clock_skew", "✓ credentials source prod"}, good[3:]...)
	foreign := append(good[:4:4], "✗ link "+goodPack+" link_refused")
	last := "– permission source prod"
	for name, c := range map[string]struct {
		skew time.Duration
		more string
		args []string
		code int
		want []string
		gens int
	}{
		"all":          {args: nil, code: exitFailed, want: append(packs, last, "✓ packs source prod")},
		"one":          {args: []string{goodPack}, code: 0, want: append(good[:5:5], last)},
		"expired link": {args: []string{stalePack}, code: exitTransient, want: append(head[:3:3], append(packs[8:10:10], last)...)},
		"skewed":       {skew: 20 * time.Minute, args: []string{goodPack}, code: exitTransient, want: append(skewed, last)},
		"foreign host": {more: `, link_hosts: ["*.aliyuncs.com"]`, args: []string{goodPack}, code: exitFailed, want: append(foreign, last)},
		"generate": {args: []string{goodPack, "--generate", goodPack}, code: 0, gens: 1,
			want: append(good[:5:5], "✓ permission "+goodPack)},
		"generate one of two": {args: []string{goodPack, newPack, "--generate", newPack}, code: 0, gens: 1,
			want: append(packs[:7:7], "✓ permission "+newPack, last)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, server := patient(t, c.skew, c.more)
			code, results := doctorSays(t, append([]string{path}, c.args...)...)
			if d := cmp.Diff(c.want, brief(results)); d != "" || code != c.code {
				t.Errorf("exit %d, want %d (-want +got):\n%s", code, c.code, d)
			}
			if n := server.Calls()["GenerateCompliancePackReport"]; n != c.gens {
				t.Errorf("%d reports were asked for, want %d", n, c.gens)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "state")); err == nil {
				t.Error("the state folder was made")
			}
		})
	}
}

// TestDoctorHints: what is bad says what to do.
func TestDoctorHints(t *testing.T) {
	t.Parallel()
	path, _ := patient(t, -time.Hour, "")
	_, results := doctorSays(t, path)
	for _, e := range results {
		if e.OK != nil && !*e.OK && e.Hint == "" && e.Reason != fault.LinkExpired {
			t.Errorf("no hint: %+v", e)
		}
		if e.Reason == fault.Denied && !strings.Contains(e.Hint, "config:GetCompliancePackReport on acs:config:*:*:compliancepack/"+deniedPack) {
			t.Errorf("the hint is %q", e.Hint)
		}
		if e.Check == "clock" && !strings.Contains(e.Detail, "ahead of the server's") {
			t.Errorf("the clock is %q", e.Detail)
		}
	}
}
