package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/otlp/otlptest"
	"packseal.example/test/lab"
)

// What slots look like: a line a span, "!" and the reason where it failed.
const (
	goodTree = `slot! sink_denied try=1 result=sealed bytes
  index
    list sink=primary
    list! sink_denied sink=mirror
  request
    GetCompliancePackReport code=OK
    GenerateCompliancePackReport code=OK
  making
    GetCompliancePackReport code=OK
  download bytes
    GET bytes
  sealing sink=primary bytes
    put sink=primary bytes
    put sink=primary bytes
  sealing! sink_denied sink=mirror bytes
    put! sink_denied sink=mirror bytes
  compare
    list sink=primary
    list sink=primary`
	drainedTree = `slot! sink_denied result=sealed bytes
  index
    list sink=primary
    list! sink_denied sink=mirror
  open sink=primary
  sealing! sink_denied sink=mirror bytes
    put! sink_denied sink=mirror bytes`
	missingTree = `slot! not_found try=1 result=gap
  index
    list sink=primary
    list! sink_denied sink=mirror
  request! not_found
    GetCompliancePackReport! not_found code=Invalid.CompliancePackId.Value
` + gapTree
	forgedTree = `slot! credentials try=1 result=waiting
  index
    list sink=primary
    list! sink_denied sink=mirror
  request! credentials
    GetCompliancePackReport! credentials code=SignatureDoesNotMatch`
	gapTree = `  gap
    index
      list sink=primary
      list! sink_denied sink=mirror
    put sink=primary bytes
    put! sink_denied sink=mirror bytes`
)

// These tests set the environment of the process: none of them is parallel.

// tracedConfig is a configuration whose mirror refuses everything, and quotes
// what it was sent.
const tracedConfig = `
state_dir: state
sources:
  good: {cloudconfig: {endpoint: %[1]q, requests_per_second: 50, credentials: {access_key_id_file: id, access_key_secret_file: secret, security_token_file: token}}}
  forged: {cloudconfig: {endpoint: %[1]q, credentials: {access_key_id_file: id, access_key_secret_file: other, security_token_file: token}}}
defaults: {source: good, schedule: "0 0 1 1 *", time_zone: UTC, catch_up: 8784h, timeout: 30s}
sinks:
  - {name: primary, local: {dir: archive}}
  - {name: mirror, s3: {endpoint: %[2]q, region: r, bucket: b, path_style: true, access_key_id_file: id, secret_access_key_file: secret, session_token_file: token}}
fetch: {poll_min: 200ms, poll_max: 1s}
web: {listen: "127.0.0.1:0"}
packs:
  - {id: cp-fdc8626622af00f90000, since: 2020-01-01T00:00:00Z}
  - {id: cp-aaaa626622af00aa0007, since: 2020-01-01T00:00:00Z}
  - {id: cp-00c8626622af00ffffff, since: 2020-01-01T00:00:00Z}
  - {id: cp-fdc8626622af00f90000, source: forged, since: 2020-01-01T00:00:00Z, timeout: 3s}
`

// traced is a folder with that configuration, for a simulator whose second
// pack has bad days.
func traced(t *testing.T) (path string, api *queries) {
	t.Helper()
	handler, err := sim.New(sim.Options{AccessKeyID: "id" + mark, AccessKeySecret: "secret" + mark, SecurityToken: "token" + mark, Packs: []sim.Pack{
		{ID: "cp-fdc8626622af00f90000"},
		{ID: "cp-aaaa626622af00aa0007", Script: sim.Script{Link: sim.S3, Failures: []sim.Failure{
			{Call: sim.Download}, {Call: sim.Download, Status: 403, Code: "AccessDenied"}, {Status: 500, Code: "InternalError"},
		}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	api = &queries{Handler: handler}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	mirror := httptest.NewServer(http.HandlerFunc(quoting))
	t.Cleanup(mirror.Close)
	dir := t.TempDir()
	lab.Write(t, dir, map[string]string{
		"id": "id" + mark, "secret": "secret" + mark, "token": "token" + mark, "other": "other" + mark,
		"packseal.yaml": fmt.Sprintf(tracedConfig, server.URL, mirror.URL),
	})
	return filepath.Join(dir, "packseal.yaml"), api
}

// TestTraces has a daemon settle slots on good and bad days, and looks at what
// leaves it: the tree of each slot, and no secret.
func TestTraces(t *testing.T) {
	receiver := otlptest.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20"+mark)
	path, api := traced(t)
	first := startRun(t, path)
	first.settled(t)
	first.stop()
	// The next one begins with the two that wait in the spool for the mirror.
	second := startRun(t, path)
	lab.Eventually(t, "two reports wait for the mirror", func() bool {
		return strings.Contains(second.log.String(), `"msg":"reports wait in the spool","reports":2`)
	})
	second.stop()
	log := first.log.String() + second.log.String()

	trees := map[string][]string{}
	for _, slot := range slots(receiver.Spans()) {
		trees[slot.key()] = append(trees[slot.key()], slot.tree())
	}
	for pack, want := range map[string][]string{
		"good/cp-fdc8626622af00f90000": {goodTree, drainedTree},
		"good/cp-00c8626622af00ffffff": {missingTree},
	} {
		// A daemon that is slow to start may find what waits there at once, too.
		if diff := cmp.Diff(want, slices.Compact(trees[pack])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pack, diff)
		}
	}
	if forged := trees["forged/cp-fdc8626622af00f90000"]; len(forged) < 2 || forged[0] != forgedTree || !strings.HasSuffix(forged[len(forged)-1], gapTree) {
		t.Errorf("with a wrong secret, the attempts are\n%s", strings.Join(forged, "\n"))
	}
	bad := strings.Join(trees["good/cp-aaaa626622af00aa0007"], "\n")
	for _, want := range []string{"GET! link_refused", "! unavailable code=InternalError", "download bytes", "result=sealed"} {
		if !strings.Contains(bad, want) {
			t.Errorf("no %q in\n%s", want, bad)
		}
	}
	if got := receiver.Header().Get("Authorization"); got != "Bearer "+mark {
		t.Errorf("sent with %q", got)
	}
	raw := receiver.Raw()
	if len(api.values) == 0 || strings.Contains(log, mark) {
		t.Fatalf("nothing was fetched, or a secret is in the log: %s", log)
	}
	for _, secret := range append(api.values, mark) {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("%s was sent", secret)
		}
	}
	if at := signedQuery.FindIndex(raw); at != nil {
		t.Errorf("a part of a signed link was sent: %q", raw[max(at[0]-80, 0):min(at[1]+40, len(raw))])
	}
}

// TestTracesOfSeal: the seal verb has its slot traced too, and a bad endpoint is
// a matter of usage.
func TestTracesOfSeal(t *testing.T) {
	receiver := otlptest.New(t)
	path, _ := traced(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	var out, talk lab.Buffer
	run(t.Context(), []string{"seal", "-c", path, "good/cp-fdc8626622af00f90000"}, &out, &talk)
	if got := slots(receiver.Spans()); len(got) != 1 || got[0].tree() != strings.Replace(goodTree, " try=1", "", 1) {
		t.Errorf("%d slots; %s", len(got), talk.String())
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")
	for _, verb := range []string{"seal", "run"} {
		if code := run(t.Context(), []string{verb, "-c", path}, &out, &talk); code != exitUsage || !strings.Contains(talk.String(), "packseal: wrong usage: OTEL_EXPORTER_OTLP_ENDPOINT: the URL starts") {
			t.Errorf("%s ended with %d: %s", verb, code, talk.String())
		}
	}
}

// node is a span with those below it, in the order they began.
type node struct {
	*trace.Span
	below []*node
}

// slots returns the traces' roots, in the order they began.
func slots(spans []*trace.Span) (roots []*node) {
	slices.SortFunc(spans, func(a, b *trace.Span) int { return int(int64(a.StartTimeUnixNano - b.StartTimeUnixNano)) })
	nodes := map[string]*node{}
	for _, s := range spans {
		nodes[string(s.SpanId)] = &node{Span: s}
	}
	for _, s := range spans {
		n, parent := nodes[string(s.SpanId)], nodes[string(s.ParentSpanId)]
		if parent != nil {
			parent.below = append(parent.below, n)
		} else {
			roots = append(roots, n)
		}
	}
	return roots
}

// fact returns an attribute.
func (n *node) fact(key string) string {
	for _, a := range n.Attributes {
		if _, text := a.Value.Value.(*common.AnyValue_StringValue); a.Key == key && text {
			return a.Value.GetStringValue()
		} else if a.Key == key {
			return fmt.Sprint(a.Value.GetIntValue())
		}
	}
	return ""
}

func (n *node) key() string { return n.fact("packseal.source") + "/" + n.fact("packseal.pack") }

// tree draws the span and those below: a line each, "!" where it failed, then
// what it says that does not change from run to run.
func (n *node) tree() string {
	line := n.Name
	if n.Status.GetCode() == trace.Status_STATUS_CODE_ERROR {
		line += "! " + n.fact("error.type")
	}
	for _, key := range []string{"code", "sink", "try", "result"} {
		if v := n.fact("packseal." + key); v != "" {
			line += " " + key + "=" + v
		}
	}
	if n.fact("packseal.bytes") != "" {
		line += " bytes"
	}
	lines := []string{line}
	for _, b := range n.below {
		for l := range strings.Lines(b.tree()) {
			lines = append(lines, "  "+strings.TrimSuffix(l, "\n"))
		}
	}
	return strings.Join(lines, "\n")
}
