package post

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/internal/secret"
)

// TestAddress: what is no address is said without repeating it.
func TestAddress(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"https://oapi.dingtalk.com/robot/send?access_token=Mk7391qZ": "",
		"http://127.0.0.1:8000/Mk7391qZ":                             "",
		"http://[::1]/Mk7391qZ":                                      "",
		"http://localhost/Mk7391qZ":                                  "",
		"http://example.com/Mk7391qZ":                                "clear text",
		"Mk7391qZ":                                                   "does not contain an address",
		"ftp://example.com/Mk7391qZ":                                 "does not contain an address",
		"https:///Mk7391qZ":                                          "does not contain an address",
		"https://example.com/%zz/Mk7391qZ":                           "does not contain an address",
		"https://example.com/Mk7391qZ\nhttps://example.com/Mk7391qZ": "holds 2 lines",
	} {
		path := filepath.Join(t.TempDir(), "url")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		problems := Check("url_file", secret.File(path), false)
		switch {
		case want == "" && len(problems) > 0:
			t.Errorf("%s: %v", content, problems)
		case want != "" && (len(problems) != 1 || !strings.Contains(problems[0].Message, want) || problems[0].Hint == ""):
			t.Errorf("%s: %v, want %q", content, problems, want)
		case want != "" && strings.Contains(problems[0].Message+problems[0].Hint, "Mk7391qZ"):
			t.Errorf("%s is given away: %v", content, problems)
		}
		if want == "clear text" && len(Check("url_file", secret.File(path), true)) > 0 {
			t.Errorf("%s is refused in spite of allow_http", content)
		}
	}
	for _, f := range []secret.File{"", "/nowhere/url"} {
		if problems := Check("url_file", f, false); len(problems) != 1 || problems[0].Warning {
			t.Errorf("%q: %v", f, problems)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	u, err := url.Parse("https://user:hidden-password@example.com/hooks/T0123456/abc?key=a%2Bb%2Fc%3Dd-long&n=1")
	if err != nil {
		t.Fatal(err)
	}
	r := Request{URL: u, Secrets: []string{"signing-secret"}}
	got := r.Redact("a+b/c=d-long a%2Bb%2Fc%3Dd-long\r\n T0123456 signing-secret hidden-password " + u.RequestURI() + " hooks 1 \x1b[31m\xff" + strings.Repeat("长", 400))
	if want := strings.Repeat("(secret) ", 6) + "hooks 1 [31m?长长"; !strings.HasPrefix(got, want) || len([]rune(got)) != 301 {
		t.Errorf("got %s\nwant %s…", got, want)
	}
}
