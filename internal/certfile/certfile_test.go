package certfile

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"packseal.example/internal/certfile/certtest"
	"packseal.example/internal/secret"
)

// issue issues certificates; see [certtest.Issue].
func issue(t *testing.T, dir string) Files {
	t.Helper()
	ca, cert, key := certtest.Issue(t, dir)
	return Files{CAFile: ca, CertFile: cert, KeyFile: secret.File(key)}
}

// handshake lets the two sides meet, and returns what each says of it.
func handshake(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
			_, err = tls.Server(conn, server).Write([]byte("hello"))
		}
		ended <- err
	}()
	conn, err := net.DialTimeout("tcp", l.Addr().String(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, clientErr = tls.Client(conn, client).Read(make([]byte, 5))
	conn.Close()
	return <-ended, clientErr
}

// TestPeer: peers accept who has a certificate of the same CA, whatever its
// name, and nobody else; a certificate that was replaced is used at once.
func TestPeer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, theirs := issue(t, dir), issue(t, t.TempDir())
	peer := ours.Peer()
	peer.ServerName = "another.name"
	if s, c := handshake(t, ours.Peer(), peer); s != nil || c != nil {
		t.Errorf("of one CA: %v, %v", s, c)
	}
	if s, c := handshake(t, ours.Peer(), theirs.Peer()); s == nil && c == nil {
		t.Error("of two CAs: no error")
	}
	nobody := ours.Peer()
	nobody.GetClientCertificate = nil
	if s, _ := handshake(t, ours.Peer(), nobody); s == nil {
		t.Error("without a certificate: no error")
	}
	old := issue(t, t.TempDir()).Peer()
	issue(t, dir) // a new CA, and certificates of it, in the place of the former
	if s, c := handshake(t, peer, ours.Peer()); s != nil || c != nil {
		t.Errorf("replaced: %v, %v", s, c)
	}
	if s, c := handshake(t, peer, old); s == nil && c == nil {
		t.Error("of a former CA: no error")
	}
}

// TestClient: a server is known by its name and by the CA.
func TestClient(t *testing.T) {
	t.Parallel()
	ours, theirs := issue(t, t.TempDir()), issue(t, t.TempDir())
	for name, c := range map[string]struct {
		files Files
		host  string
		good  bool
	}{
		"its name":     {ours, "127.0.0.1", true},
		"another name": {ours, "localhost", false},
		"another CA":   {theirs, "127.0.0.1", false},
		"no files":     {Files{}, "127.0.0.1", false},
	} {
		client, err := c.files.Client()
		if err != nil {
			t.Fatal(err)
		}
		client.ServerName = c.host
		if s, err := handshake(t, ours.Peer(), client); (s == nil && err == nil) != c.good {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if _, err := (Files{CAFile: string(ours.KeyFile)}).Client(); err == nil {
		t.Error("a file without a certificate: no error")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	ours, theirs := issue(t, t.TempDir()), issue(t, t.TempDir())
	for name, c := range map[string]struct {
		files Files
		path  string
	}{
		"nothing":         {Files{}, ""},
		"all":             {ours, ""},
		"no key":          {Files{CertFile: ours.CertFile}, "tls.key_file"},
		"no CA there":     {Files{CAFile: "/does/not/exist"}, "tls.ca_file"},
		"no certificate":  {Files{CAFile: string(ours.KeyFile)}, "tls.ca_file"},
		"another's key":   {Files{CertFile: ours.CertFile, KeyFile: theirs.KeyFile}, "tls.cert_file"},
		"no key is there": {Files{CertFile: ours.CertFile, KeyFile: "/does/not/exist"}, "tls.key_file"},
	} {
		problems := c.files.Check("tls.")
		if c.path == "" && len(problems) > 0 || c.path != "" && (len(problems) == 0 || problems[0].Path != c.path || problems[0].Hint == "") {
			t.Errorf("%s: %+v, want one of %q", name, problems, c.path)
		}
	}
}
