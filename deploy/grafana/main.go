// Grafana writes packseal's two Grafana dashboards, evidence.json and
// operations.json. They are made from the description in evidence.go and
// operations.go with the types of Grafana's own SDK, so that no field is
// misspelt; a test keeps the files true, and has a real Prometheus answer
// every query in them.
//
// Import them as they are, or provision them: they need a Prometheus that
// scrapes packseal, and Grafana 10.4 or later.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go run .

func main() {
	dir := flag.String("dir", ".", "where to write the dashboards")
	flag.Parse()
	for _, b := range boards() {
		raw, err := b.json()
		if err == nil {
			err = os.WriteFile(filepath.Join(*dir, b.file()), raw, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// boards are all there are.
func boards() []board { return []board{evidence(), operations()} }
