// Package lab is the fixture of tests that need all of packseal at work: a
// simulated Config API, a folder with a configuration, the program as a process
// of its own, and readers of what it shows and of what it leaves on the disk.
//
// A test begins with New, writes a configuration with Configure, and either
// runs the program with Start (built once by Main) or hands the path of the
// configuration to a daemon in its own process and looks at it through a Page:
//
//	func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }
//
//	func TestSeals(t *testing.T) {
//		l := lab.New(t, sim.Pack{ID: "cp-1"})
//		l.Configure(lab.Config{Packs: []string{"cp-1"}})
//		p := l.Start()
//		p.Eventually(time.Minute, func() string { … })
//		p.Stop()
//	}
//
// Of packseal's code it uses the simulator alone: what it says of an archive or
// a page is independent of the program. Only tests may import it.
package lab

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
)

// The key that a simulator takes unless its options name another one. It opens
// nothing else.
const (
	KeyID     = "LTAI5tSimulatorKeyOnly"
	KeySecret = "simulator-secret-opens-nothing-else"
)

// Lab is a folder with a configuration, and the Config API that it points to.
type Lab struct {
	*sim.Server
	HTTP *httptest.Server // serves the API on loopback
	Dir  string           // holds the configuration and, unless Config says otherwise, state and archive

	t       testing.TB
	options sim.Options
}

// Options are what a lab is made of.
type Options struct {
	sim.Options                                 // of the API; its key is by default KeyID with KeySecret
	Wrap        func(http.Handler) http.Handler // stands in front of the API, if it is not nil
}

// New makes a lab whose API has these packs. It ends with the test.
func New(t testing.TB, packs ...sim.Pack) *Lab {
	t.Helper()
	return Open(t, Options{Options: sim.Options{Packs: packs}})
}

// Open makes a lab.
func Open(t testing.TB, o Options) *Lab {
	t.Helper()
	o.AccessKeyID = cmp.Or(o.AccessKeyID, KeyID)
	o.AccessKeySecret = cmp.Or(o.AccessKeySecret, KeySecret)
	api, err := sim.New(o.Options)
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{Server: api, t: t, Dir: t.TempDir(), options: o.Options}
	l.serve(o.Wrap)
	return l
}

// Member makes a lab in a folder of that name below l's, for one of several
// replicas. The API is the same one, at an address of its own.
func (l *Lab) Member(name string, wrap func(http.Handler) http.Handler) *Lab {
	l.t.Helper()
	m := &Lab{Server: l.Server, t: l.t, Dir: l.Path(name), options: l.options}
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		l.t.Fatal(err)
	}
	m.serve(wrap)
	return m
}

// serve serves the API and writes its key into the folder.
func (l *Lab) serve(wrap func(http.Handler) http.Handler) {
	var h http.Handler = l.Server
	if wrap != nil {
		h = wrap(h)
	}
	l.HTTP = httptest.NewServer(h)
	l.t.Cleanup(l.HTTP.Close)
	l.Write("key-id", l.options.AccessKeyID)
	l.Write("key-secret", l.options.AccessKeySecret)
}

// Path is that of a name in the lab's folder.
func (l *Lab) Path(name string) string { return filepath.Join(l.Dir, name) }

// Write writes a file of the lab's folder, for its owner alone.
func (l *Lab) Write(name, content string) {
	l.t.Helper()
	if err := os.WriteFile(l.Path(name), []byte(content), 0o600); err != nil {
		l.t.Fatal(err)
	}
}
