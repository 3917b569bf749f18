// Command sync writes those parts of the Helm chart that have their original
// elsewhere: a chart cannot hold links to what is outside of it. Run it at the
// root of the repository, after a change of an original:
//
//	go run ./deploy/helm/sync
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// chart is where the chart is.
const chart = "deploy/helm/packseal"

// copies are the files that the chart has as they are, by their place in it.
var copies = map[string]string{
	"files/rules.yaml":                 "deploy/prometheus/rules.yaml",
	"files/dashboards/evidence.json":   "deploy/grafana/evidence.json",
	"files/dashboards/operations.json": "deploy/grafana/operations.json",
}

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "sync:", err)
		os.Exit(1)
	}
}

// write brings every part up to date.
func write(root string) error {
	for to := range copies {
		if err := save(root, to, copied); err != nil {
			return err
		}
	}
	if err := save(root, "values.schema.json", schema); err != nil {
		return err
	}
	return save(root, "README.md", readme)
}

// save writes what a part should be.
func save(root, part string, make func(root, part string) ([]byte, error)) error {
	b, err := make(root, part)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, chart, part), b, 0o644) //nolint:gosec // it is public
}

// copied returns a part's original.
func copied(root, part string) ([]byte, error) {
	return os.ReadFile(filepath.Join(root, copies[part]))
}

// schema returns the schema of the values: what people wrote, up to "$defs",
// and there the configuration's own schema, so that Helm refuses the same
// typos as packseal check.
func schema(root, part string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(root, chart, part))
	if err != nil {
		return nil, err
	}
	ours, _, ok := bytes.Cut(b, []byte("\n  \"$defs\": "))
	if !ok {
		return nil, fmt.Errorf("%s: no line with \"$defs\"", part)
	}
	if b, err = os.ReadFile(filepath.Join(root, "config.schema.json")); err != nil {
		return nil, err
	}
	var config, defs map[string]json.RawMessage
	if err = json.Unmarshal(b, &config); err == nil {
		err = json.Unmarshal(config["$defs"], &defs)
	}
	if err != nil {
		return nil, fmt.Errorf("reading config.schema.json: %w", err)
	}
	if err := booleans(defs); err != nil {
		return nil, err
	}
	delete(config, "$schema")
	delete(config, "$defs")
	if defs["config.Config"], err = json.Marshal(config); err != nil {
		return nil, err
	}
	if b, err = json.MarshalIndent(defs, "  ", "  "); err != nil {
		return nil, err
	}
	return fmt.Appendf(ours, "\n  \"$defs\": %s\n}\n", b), nil
}
