package bucket

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestRedirects: a request is signed for one host, so that a redirect is an answer.
func TestRedirects(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.RedirectHandler("http://elsewhere.example/", http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	client, err := Client("", func(*http.Request) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusTemporaryRedirect {
			t.Errorf("%s: %s, %v", method, resp.Status, err)
		}
		resp.Body.Close() //nolint:errcheck // read
	}
}

// TestNoCertificates: a CA file that cannot be read is an error.
func TestNoCertificates(t *testing.T) {
	t.Parallel()
	if _, err := Client("/no/such/file", nil); err == nil {
		t.Error("it trusts nothing")
	}
}
