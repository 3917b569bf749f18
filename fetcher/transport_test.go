package fetcher

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// nameServer runs a name server for any name.
func nameServer(t *testing.T, answer func(name string) netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}
			switch ip := answer(strings.TrimSuffix(q.Name.String(), ".")); {
			case q.Type == dnsmessage.TypeA && ip.Is4():
				m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: ip.As4()}}}
			case q.Type == dnsmessage.TypeAAAA && ip.Is6():
				m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}}}
			}
			out, err := m.Pack()
			if err == nil {
				conn.WriteTo(out, from) //nolint:errcheck // asked again
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// follow downloads a link under the bounds, with that name server.
func follow(t *testing.T, bounds Bounds, answer func(string) netip.Addr, link string) error {
	t.Helper()
	r, err := newTransport(bounds, nameServer(t, answer))
	if err != nil {
		t.Fatal(err)
	}
	r.proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	t.Cleanup(r.direct.CloseIdleConnections)
	f, err := New(Options{Source: noSource{}, Bounds: bounds, Logger: slog.New(slog.DiscardHandler), Transport: r})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.download.get(t.Context(), Link{URL: SecretURL(link)}, discarded{io.Discard})
	if err != nil && strings.Contains(err.Error()+fault.Hint(err), marked) {
		t.Errorf("the link leaks: %v", err)
	}
	return err
}

// store serves a workbook and redirects.
func store(t *testing.T) (port string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		io.WriteString(w, workbook) //nolint:errcheck // the caller hung up
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).AddrPort().String()[len("127.0.0.1"):]
}

// A permitted name resolves to an address of this machine, which is not
// permitted by default.
func TestNameOfLoopback(t *testing.T) {
	t.Parallel()
	port := store(t)
	local := func(string) netip.Addr { return netip.MustParseAddr("127.0.0.1") }
	bounds := Bounds{LinkHosts: []string{"*.example.com"}, AllowHTTP: true}
	err := follow(t, bounds, local, "http://bucket.example.com"+port+"/r.xls?Signature="+marked)
	if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "bucket.example.com resolves to 127.0.0.1, a loopback address") ||
		!strings.Contains(fault.Hint(err), `add "127.0.0.1/32" to link_networks of the source`) {
		t.Errorf("got %v, hint %q", err, fault.Hint(err))
	}
	bounds.LinkNetworks = []string{"127.0.0.0/8"}
	if err := follow(t, bounds, local, "http://bucket.example.com"+port+"/r.xls"); err != nil {
		t.Errorf("permitted: %v", err)
	}
}

// Redirects of a permitted store are checked too.
func TestRedirects(t *testing.T) {
	t.Parallel()
	port := store(t)
	bounds := Bounds{LinkHosts: []string{"*.example.com", "127.0.0.1"}}
	for to, want := range map[string]string{
		"http://127.0.0.1" + port + "/r.xls": "",
		"file:///etc/passwd":                 "neither http nor https",
		"gopher://127.0.0.1/":                "neither http nor https",
		"http://bucket.example.com/":         "http is permitted on loopback addresses only",
		"https://user@127.0.0.1" + port:      "it has a user name",
		"https://169.254.169.254/latest/":    "not in link_hosts",
		"https://[::1]" + port:               "not in link_hosts",
		"https://0x7f.1" + port:              "not in link_hosts",
		"https://metadata.example.com/":      "resolves to 100.100.100.200, a cloud metadata service",
		"https://six.example.com/":           "resolves to fe80::1, a link-local address",
		"https://mapped.example.com/":        "resolves to 169.254.169.254, a link-local address",
	} {
		err := follow(t, bounds, func(name string) netip.Addr {
			return map[string]netip.Addr{
				"metadata.example.com": netip.MustParseAddr("100.100.100.200"),
				"six.example.com":      netip.MustParseAddr("fe80::1"),
				"mapped.example.com":   netip.MustParseAddr("64:ff9b::a9fe:a9fe"),
			}[name]
		}, "http://127.0.0.1"+port+"/?Signature="+marked+"&to="+url.QueryEscape(to))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("to %s: %v, want %q", to, err, want)
		}
	}
	loop := "http://127.0.0.1" + port + "/?to=%3Fto%3D%253Fto%253D%25253Fto%25253D%2525253Fx"
	if err := follow(t, bounds, func(string) netip.Addr { return netip.Addr{} }, loop); fault.Of(err) != fault.LinkRefused || !strings.Contains(err.Error(), "more than 3 times") {
		t.Errorf("too many redirects: %v", err)
	}
}

func TestForbidden(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1": "loopback", "127.9.9.9": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback",
		"169.254.169.254": "link-local", "fe80::1%eth0": "link-local", "febf::1": "link-local", "64:ff9b::7f00:1": "loopback",
		"100.100.100.200": "metadata", "fd00:ec2::254": "metadata", "fd20:ce::254": "metadata", "168.63.129.16": "metadata",
		"224.0.0.1": "multicast", "ff02::1": "multicast", "0.0.0.0": "not the address", "::": "not the address", "0.1.2.3": "not the address", "255.255.255.255": "not the address",
		// Addresses of stores: in a VPC, in Alibaba Cloud's internal network, public.
		"10.0.0.1": "", "172.16.0.1": "", "192.168.1.1": "", "100.64.0.1": "", "100.100.100.201": "", "100.118.28.1": "", "fd00::1": "", "47.1.2.3": "", "2001:db8::1": "",
	} {
		got := forbidden(embedded(netip.MustParseAddr(address)))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

// With a proxy no address is checked.
func TestProxy(t *testing.T) {
	t.Parallel()
	asked := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.RequestURI
		io.WriteString(w, workbook) //nolint:errcheck // the caller hung up
	}))
	t.Cleanup(proxy.Close)
	bounds := Bounds{LinkHosts: []string{"*.example.com"}, AllowHTTP: true}
	r, err := newTransport(bounds, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.proxied.CloseIdleConnections)
	by, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.proxy = http.ProxyURL(by)
	r.proxied.Proxy = r.proxy
	d, err := newDownloader(Options{Bounds: bounds, Transport: r, Settings: Settings{MaxBytes: 1 << 20, StallAfter: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.get(t.Context(), Link{URL: "http://bucket.example.com/r.xls"}, discarded{io.Discard})
	if err != nil || got.Container != evidence.OLE2 || asked != "http://bucket.example.com/r.xls" {
		t.Errorf("got %+v, %v; the proxy was sent %q", got, err, asked)
	}
}

// The certificate of a store must be trusted by the system or ca_file, and TLS
// must be 1.2 or later.
func TestStoreTLS(t *testing.T) {
	t.Parallel()
	for version, want := range map[uint16]string{tls.VersionTLS13: "", tls.VersionTLS12: "", tls.VersionTLS11: "protocol version"} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, workbook) //nolint:errcheck // the caller hung up
		}))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
		server.StartTLS()
		t.Cleanup(server.Close)
		ca := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		bounds := Bounds{LinkHosts: []string{"127.0.0.1"}}
		if err := follow(t, bounds, nil, server.URL+"/r.xls"); fault.Of(err) != fault.Unavailable {
			t.Errorf("an unknown CA: %v", err)
		}
		bounds.CAFile = ca
		if err := follow(t, bounds, nil, server.URL+"/r.xls"); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", tls.VersionName(version), err, want)
		}
	}
}

func TestInvalidBounds(t *testing.T) {
	t.Parallel()
	for _, b := range []Bounds{{LinkNetworks: []string{"x"}}, {CAFile: "/nowhere"}} {
		if _, err := New(Options{Source: noSource{}, Bounds: b, Logger: slog.New(slog.DiscardHandler)}); err == nil {
			t.Errorf("%+v are accepted", b)
		}
	}
}

// discarded is a body that nobody reads.
type discarded struct{ io.Writer }

// ReadAt implements [io.ReaderAt].
func (discarded) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
