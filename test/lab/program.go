package lab

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// program is the path of the program that Main has built.
var program string

// Main builds packseal, runs a package's tests and returns the exit code. It is
// what TestMain calls in a package that uses Start.
func Main(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "packseal-lab-")
	if err == nil {
		defer os.RemoveAll(dir) //nolint:errcheck // a folder of the tests' own
		program = filepath.Join(dir, "packseal")
		err = build(program)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Parallel lets n of a package's tests run at once, unless -parallel says how
// many. TestMain calls it where tests wait more than they compute.
func Parallel(n int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		flag.Set("test.parallel", strconv.Itoa(n)) //nolint:errcheck // the flag is there
	}
}

// build builds packseal from its own module, also for the tests of another one.
func build(path string) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "packseal.example").Output()
	if err != nil {
		return fmt.Errorf("looking for the module: %w", err)
	}
	out, err := exec.Command("go", "build", "-C", strings.TrimSpace(string(root)), "-o", path, "./cmd/packseal").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building packseal: %w\n%s", err, out)
	}
	return nil
}

// Tool returns the path of a program that a test needs beside Go, found by its
// name or path. Where it is not installed the test is skipped; in CI it fails.
func Tool(t testing.TB, name string) (path string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "%v", err)
	}
	return path
}

// Missing skips a test for what the machine lacks. In CI it fails.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("PACKSEAL_CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
