// Package ramtest is for tests of what uses package ram: it isolates the official
// SDK from the machine, and has an STS.
package ramtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"time"
)

// M runs the tests of a package isolated: with no variables of Alibaba Cloud in the
// environment, no home, no metadata service. The SDK's calls of STS go to the one
// of this package over plain HTTP: the SDK copies http.DefaultTransport, and takes
// the connections of DialTLSContext for encrypted ones.
type M struct {
	Tests interface{ Run() int } // *testing.M
}

// Run runs the tests.
func (m M) Run() int {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") {
			os.Unsetenv(name) //nolint:errcheck // it is there
		}
	}
	home, err := os.MkdirTemp("", "home")
	if err != nil {
		return 1
	}
	defer os.RemoveAll(home)                                 //nolint:errcheck // a temporary folder
	os.Setenv("HOME", home)                                  //nolint:errcheck // a valid name
	os.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true") //nolint:errcheck // a valid name
	server := httptest.NewServer(http.HandlerFunc(serve))
	defer server.Close()
	transport := http.DefaultTransport.(*http.Transport)
	transport.Proxy = nil
	transport.DialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	return m.Tests.Run()
}

// roles has the handlers of roles, so that tests are independent.
var roles sync.Map

// Role sets the handler of calls to assume that role, whether with keys or by OIDC.
func Role(arn string, answer http.HandlerFunc) { roles.Store(arn, answer) }

// serve leaves the body to the handlers, which may read it for a signature.
func serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	arn := r.FormValue("RoleArn")
	r.Body = io.NopCloser(bytes.NewReader(body))
	if answer, ok := roles.Load(arn); ok {
		answer.(http.HandlerFunc)(w, r)
		return
	}
	http.Error(w, `{"Code":"EntityNotExist.Role","RequestId":"R-sts"}`, http.StatusNotFound)
}

// Temporary returns keys that are good for an hour, in JSON as STS and credentials
// URIs return them.
func Temporary(id, secret, token string) string {
	b, _ := json.Marshal(map[string]string{ //nolint:errcheck // they are strings
		"AccessKeyId": id, "AccessKeySecret": secret, "SecurityToken": token,
		"Expiration": time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z"),
	})
	return string(b)
}

// Granted returns the answer of STS with such keys.
func Granted(id, secret, token string) string {
	return `{"RequestId":"R","Credentials":` + Temporary(id, secret, token) + `}`
}
