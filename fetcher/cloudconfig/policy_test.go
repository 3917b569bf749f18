package cloudconfig

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocumentedPolicy: the policies of docs/credentials.md allow every call that
// the client makes, and no other.
func TestDocumentedPolicy(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/credentials.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Least privilege\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var allowed []string
	directory := regexp.MustCompile(`"resourcedirectory:(\w+)"`).FindAllStringSubmatch(string(page), -1) // where accounts are
	for _, m := range append(regexp.MustCompile(`"config:(\w+)"`).FindAllStringSubmatch(section, -1), directory...) {
		allowed = append(allowed, m[1])
	}
	made := callNames()
	slices.Sort(made)
	slices.Sort(allowed)
	if diff := cmp.Diff(made, allowed); diff != "" {
		t.Error(diff)
	}
}
