package cloudconfig

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
)

// TestMain isolates the SDK from the machine: no environment, no home, no metadata
// service. Its STS calls go to sts over plain HTTP: the SDK copies
// http.DefaultTransport, and takes the connections of DialTLSContext for encrypted
// ones.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") {
			os.Unsetenv(name)
		}
	}
	home, err := os.MkdirTemp("", "home")
	if err != nil {
		return 1
	}
	defer os.RemoveAll(home)
	os.Setenv("HOME", home)
	os.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
	server := httptest.NewServer(http.HandlerFunc(sts.serve))
	defer server.Close()
	transport := http.DefaultTransport.(*http.Transport)
	transport.Proxy = nil
	transport.DialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	return m.Run()
}

// sts is an STS with a handler per role, so that tests are independent.
var sts stsStub

type stsStub struct{ roles sync.Map }

// role sets the handler for a role.
func (s *stsStub) role(arn string, answer http.HandlerFunc) { s.roles.Store(arn, answer) }

func (s *stsStub) serve(w http.ResponseWriter, r *http.Request) {
	if answer, ok := s.roles.Load(r.FormValue("RoleArn")); ok {
		answer.(http.HandlerFunc)(w, r)
		return
	}
	http.Error(w, `{"Code":"EntityNotExist.Role","RequestId":"R-sts"}`, http.StatusNotFound)
}
