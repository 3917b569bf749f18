// Package lab is the fixture of tests that need all of packseal at work: a
// simulated Config API, a configuration of it, the daemon, and readers of what it
// shows and of what it leaves on the disk.
//
// A test whose daemon runs in its own process serves the API by Simulate, writes
// a Setup, and looks at the daemon through a Page:
//
//	server, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
//	path := lab.Setup{Endpoint: endpoint}.Write(t)
//
// A test of the built program has a Lab, which is both, and starts processes:
//
//	func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }
//
//	func TestSeals(t *testing.T) {
//		l := lab.New(t, sim.Pack{ID: lab.Pack})
//		l.Configure(lab.Setup{})
//		p := l.Start()
//		p.Eventually(lab.Patience, func() string { … })
//		p.Stop()
//	}
//
// Of packseal's code it uses the simulator alone, so that what it says of an
// archive or a page is independent of the program. Only tests may import it.
package lab

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
)

// The key that the simulator accepts. It opens nothing else.
const (
	KeyID     = "LTAI5tSimulatorKeyOnly"
	KeySecret = "simulator-secret-opens-nothing-else"
)

// Simulate serves a simulator of the packs until the test ends, and returns it
// and its address.
func Simulate(t testing.TB, packs ...sim.Pack) (server *sim.Server, endpoint string) {
	t.Helper()
	l := New(t, packs...)
	return l.Server, l.HTTP.URL
}

// Lab is a simulated Config API, and a folder with a configuration that leads
// to it.
type Lab struct {
	*sim.Server
	HTTP *httptest.Server // serves the API on loopback
	Dir  string           // holds the configuration and, unless Setup says otherwise, state and archive

	t testing.TB
}

// Options are what a lab is made of.
type Options struct {
	sim.Options                                 // of the API; its key is KeyID with KeySecret unless it says otherwise
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
	l := &Lab{Server: api, t: t, Dir: t.TempDir()}
	l.serve(o.Wrap)
	return l
}

// Member makes a lab in a folder of that name below l's, for one of several
// replicas. The API is the same one, at an address of its own.
func (l *Lab) Member(name string, wrap func(http.Handler) http.Handler) *Lab {
	l.t.Helper()
	m := &Lab{Server: l.Server, t: l.t, Dir: l.Path(name)}
	m.serve(wrap)
	return m
}

// serve serves the API until the test ends.
func (l *Lab) serve(wrap func(http.Handler) http.Handler) {
	var h http.Handler = l.Server
	if wrap != nil {
		h = wrap(h)
	}
	l.HTTP = httptest.NewServer(h)
	l.t.Cleanup(l.HTTP.Close)
}

// Path is that of a name in the lab's folder.
func (l *Lab) Path(name string) string { return filepath.Join(l.Dir, name) }

// Write writes a file of the lab's folder, for its owner alone.
func (l *Lab) Write(name, content string) {
	l.t.Helper()
	Write(l.t, l.Dir, map[string]string{name: content})
}

// Configure writes a configuration into the lab's folder whose source is the
// lab's API, and returns its path.
func (l *Lab) Configure(s Setup) (path string) {
	l.t.Helper()
	s.Dir, s.Endpoint = l.Dir, cmp.Or(s.Endpoint, l.HTTP.URL)
	return s.Write(l.t)
}
