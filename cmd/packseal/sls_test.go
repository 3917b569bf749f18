package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"packseal.example/test/lab"
)

// pipeline is a pipeline of LoongCollector.
type pipeline struct {
	Inputs, Processors, Flushers []map[string]any
}

// readPipeline reads deploy/sls/name, in which the pipeline is under keys.
func readPipeline(t *testing.T, name string, keys ...string) (p pipeline) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "deploy", "sls", name))
	if err != nil {
		t.Fatal(err)
	}
	var n yaml.Node
	if err := yaml.Unmarshal(b, &n); err != nil {
		t.Fatal(err)
	}
	for at := n.Content[0]; ; keys = keys[1:] {
		if len(keys) == 0 {
			if err := at.Decode(&p); err != nil || len(p.Inputs) != 1 || len(p.Flushers) != 1 {
				t.Fatalf("%s: %v, %+v", name, err, p)
			}
			return p
		}
		i := slices.IndexFunc(at.Content, func(n *yaml.Node) bool { return n.Value == keys[0] })
		at = at.Content[i+1]
	}
}

// logLines runs packseal in the time zone of pods and returns its log of JSON.
func logLines(t *testing.T) []string {
	t.Helper()
	dir := filepath.Dir(lab.Setup{Dir: t.TempDir()}.Write(t))
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // it is read by its name
	p := exec.CommandContext(t.Context(), "packseal", "run")
	p.Dir, p.Stderr, p.Env = dir, log, append(os.Environ(), "TZ=UTC")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	var text string
	lab.Eventually(t, "the daemon runs", func() bool {
		b, err := os.ReadFile(log.Name())
		text = string(b)
		return err == nil && strings.Contains(text, `"url":"http://`)
	})
	_ = p.Process.Signal(os.Interrupt)
	if err := p.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return strings.Split(text[:strings.LastIndexByte(text, '\n')], "\n") // the last may be cut
}

// strptime are the conversions that the pipelines use, as Go writes them.
var strptime = strings.NewReplacer("%Y", "2006", "%m", "01", "%d", "02", "%H", "15", "%M", "04", "%S", "05")

// TestPipelines: what deploy/sls configures reads the log. The processors are
// imitated by their documentation.
func TestPipelines(t *testing.T) {
	t.Parallel()
	pods, journal := readPipeline(t, "kubernetes.yaml", "spec", "config"), readPipeline(t, "journal.yaml")
	format, clock := pods.Processors[0], pods.Processors[1]
	if format["Type"] != "processor_parse_json_native" || format["SourceKey"] != "content" || clock["Type"] != "processor_parse_timestamp_native" {
		t.Errorf("kubernetes.yaml has %v", pods.Processors)
	}
	if p := journal.Processors[0]; p["Type"] != "processor_json" || p["SourceKey"] != "MESSAGE" || p["ExpandDepth"] != 1 {
		t.Errorf("journal.yaml has %v", p)
	}
	layout := strptime.Replace(clock["SourceFormat"].(string))
	zone, err := time.Parse("GMT-07:00", clock["SourceTimezone"].(string))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range logLines(t) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		text, _ := fields[clock["SourceKey"].(string)].(string)
		exact, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || len(text) < len(layout) {
			t.Fatalf("%v in %s", err, line)
		}
		read, err := time.ParseInLocation(layout, text[:len(layout)], zone.Location())
		if err != nil || !read.Equal(exact.Truncate(time.Second)) {
			t.Errorf("%s is read as %s, %v", text, read, err)
		}
		if level, _ := fields["level"].(string); !slices.Contains([]string{"DEBUG", "INFO", "WARN", "ERROR"}, level) || fields["msg"] == "" {
			t.Errorf("a line is %s", line)
		}
		for key := range fields { // SLS keeps these names for itself
			if strings.HasPrefix(key, "__") {
				t.Errorf("a field is called %s", key)
			}
		}
	}
}
