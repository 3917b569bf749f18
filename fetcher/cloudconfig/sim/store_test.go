package sim_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

var forms = []sim.LinkForm{sim.V1, sim.V2, sim.V4, sim.S3}

// storeCode returns the code of an error of the bucket.
func storeCode(t *testing.T, a answer) string {
	t.Helper()
	var e struct {
		XMLName                                                   xml.Name `xml:"Error"`
		Code, Message, RequestId, HostId, EC, Expires, ServerTime string
	}
	if a.Status < 400 {
		return ""
	}
	if err := xml.Unmarshal(a.Body, &e); err != nil {
		t.Errorf("%d: %v in %s", a.Status, err, a.Body)
	}
	if e.RequestId == "" || e.RequestId != a.Header.Get("x-oss-request-id") || e.HostId == "" || e.EC == "" || e.Message == "" {
		t.Errorf("incomplete: %s", a.Body)
	}
	if (e.Message == "Request has expired.") != (e.Expires != "" && e.ServerTime != "") {
		t.Errorf("expiry not as OSS words it: %s", a.Body)
	}
	return e.Code
}

// TestLinkRules breaks one rule of a link at a time, in each form.
func TestLinkRules(t *testing.T) {
	t.Parallel()
	header := func(k string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, "x") } }
	for name, c := range map[string]struct {
		change func(*http.Request)
		want   string // a code by form, "*" for all others
	}{
		"good":          {func(*http.Request) {}, ""},
		"HEAD":          {func(r *http.Request) { r.Method = "HEAD" }, "*"},
		"other path":    {func(r *http.Request) { r.URL.Path += "x" }, "*"},
		"other expiry":  {func(r *http.Request) { changeQuery(r, "expires") }, "*"},
		"other token":   {func(r *http.Request) { changeQuery(r, "security-token") }, "*"},
		"other sum":     {func(r *http.Request) { changeQuery(r, "signature") }, "*"},
		"content type":  {header("Content-Type"), "v1 v2 v4"},
		"content MD5":   {header("Content-MD5"), "v1 v2 v4"},
		"x-oss header":  {header("x-oss-traffic-limit"), "v1 v2 v4"},
		"other header":  {header("User-Agent"), ""},
		"another host":  {func(r *http.Request) { r.Host = "elsewhere" }, "s3"},
		"one parameter": {func(r *http.Request) { r.URL.RawQuery += "&versionId=1" }, "*"},
	} {
		for _, form := range forms {
			t.Run(name+" "+string(form), func(t *testing.T) {
				t.Parallel()
				s := one(t, sim.Script{Link: form})
				a := get(t, s, report(t, s, ordinary), c.change)
				if c.want == "*" || strings.Contains(c.want, string(form)) {
					if a.Status != 403 || len(a.Body) > 0 && storeCode(t, a) != "SignatureDoesNotMatch" {
						t.Errorf("%d %s", a.Status, a.Body)
					}
				} else if a.Status != 200 {
					t.Errorf("%d %s", a.Status, a.Body)
				}
			})
		}
	}
}

// changeQuery modifies the parameters with that suffix.
func changeQuery(r *http.Request, name string) {
	q := r.URL.Query()
	for k, v := range q {
		if strings.HasSuffix(strings.ToLower(k), name) {
			q.Set(k, "1"+v[0])
		}
	}
	r.URL.RawQuery = q.Encode()
}

// TestExpiry: links of each form expire as stated, by the server's clock; a new link
// is valid.
func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, form := range forms {
			s := one(t, sim.Script{Link: form, LinkLife: 10 * time.Minute})
			link := report(t, s, ordinary)
			time.Sleep(10 * time.Minute)
			if a := get(t, s, link); a.Status != 200 {
				t.Errorf("%s at the last moment: %d %s", form, a.Status, a.Body)
			}
			time.Sleep(2 * time.Second)
			if a := get(t, s, link); a.Status != 403 || storeCode(t, a) != "AccessDenied" || !strings.Contains(string(a.Body), "<Message>Request has expired.</Message>") {
				t.Errorf("%s afterwards: %d %s", form, a.Status, a.Body)
			}
			if a := get(t, s, look(t, s, ordinary)); a.Status != 200 {
				t.Errorf("%s anew: %d %s", form, a.Status, a.Body)
			}
		}
	})
}

// TestExpiredLinks: the first links are refused although they have not expired.
func TestExpiredLinks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := one(t, sim.Script{ExpiredLinks: 2})
		for i, want := range []string{"AccessDenied", "AccessDenied", ""} {
			link := report(t, s, ordinary)
			if got := storeCode(t, get(t, s, link)); got != want {
				t.Errorf("link %d: %q, want %q", i, got, want)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestMissing: unsigned requests are refused; objects that do not exist are 404.
func TestMissing(t *testing.T) {
	t.Parallel()
	s := one(t, sim.Script{})
	link := report(t, s, ordinary)
	bare, _, _ := strings.Cut(link, "?")
	if got := storeCode(t, get(t, s, bare)); got != "AccessDenied" {
		t.Errorf("without a signature: %q", got)
	}
	again := newServer(t, sim.Options{}) // the same keys, an empty bucket
	if got := get(t, again, link); got.Status != 404 || storeCode(t, got) != "NoSuchKey" {
		t.Errorf("gone: %d %s", got.Status, got.Body)
	}
}

// TestHeaders compares the headers of an object with its content.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newServer(t, sim.Options{PublicURL: "https://reports.test", Packs: []sim.Pack{{ID: ordinary, AccountID: "42"}}})
	link := report(t, s, ordinary)
	u, err := url.Parse(link)
	if err != nil || u.Host != "reports.test" || u.Scheme != "https" {
		t.Fatalf("link to %s (%v)", u.Host, err)
	}
	if !regexp.MustCompile(`/42_` + ordinary + `_\d{12}\.xls$`).MatchString(u.Path) {
		t.Errorf("object %s", u.Path)
	}
	a := get(t, s, link)
	sum := md5.Sum(a.Body)
	for k, want := range map[string]string{
		"Content-Length":       fmt.Sprint(len(a.Body)),
		"Etag":                 fmt.Sprintf(`"%X"`, sum),
		"Content-Md5":          base64.StdEncoding.EncodeToString(sum[:]),
		"X-Oss-Hash-Crc64ecma": fmt.Sprint(crc64.Checksum(a.Body, crc64.MakeTable(crc64.ECMA))),
		"Accept-Ranges":        "bytes",
	} {
		if got := a.Header.Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	if _, err := http.ParseTime(a.Header.Get("Last-Modified")); err != nil {
		t.Error(err)
	}
	if got := get(t, s, link, func(r *http.Request) { r.Header.Set("If-Match", `"OTHER"`) }); got.Status != 412 || storeCode(t, got) != "PreconditionFailed" {
		t.Errorf("another ETag: %d %s", got.Status, got.Body)
	}
}

// TestRange: a range within the object has a 206; others are ignored.
func TestRange(t *testing.T) {
	t.Parallel()
	s := one(t, sim.Script{Blob: true, Size: 1000})
	link := report(t, s, ordinary)
	whole := get(t, s, link).Body
	for header, want := range map[string][2]int{ // none: the whole with 200
		"bytes=0-0": {0, 1}, "bytes=100-": {100, 1000}, "bytes=100-199": {100, 200}, "bytes=-1": {999, 1000}, "bytes=-1000": {0, 1000}, "bytes=999-999": {999, 1000},
		"bytes=1000-": {}, "bytes=500-1000": {}, "bytes=-0": {}, "bytes=-1001": {}, "bytes=5-4": {}, "bytes=-": {}, "bytes=0-1,5-6": {}, "items=0-1": {}, "bytes=a-b": {}, "bytes=+1-2": {},
	} {
		a := get(t, s, link, func(r *http.Request) { r.Header.Set("Range", header) })
		if want == [2]int{} {
			if a.Status != 200 || !bytes.Equal(a.Body, whole) || a.Header.Get("Content-Range") != "" {
				t.Errorf("%s: %d with %d bytes, %q", header, a.Status, len(a.Body), a.Header.Get("Content-Range"))
			}
			continue
		}
		if a.Status != 206 || !bytes.Equal(a.Body, whole[want[0]:want[1]]) || a.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/1000", want[0], want[1]-1) {
			t.Errorf("%s: %d with %d bytes, %q", header, a.Status, len(a.Body), a.Header.Get("Content-Range"))
		}
	}
}

// TestBodyFaults downloads over a socket with each fault, and then without.
func TestBodyFaults(t *testing.T) {
	t.Parallel()
	for kind, want := range map[sim.BodyKind]struct {
		status, length, bytes int
		broken                bool
	}{
		sim.BodyEmpty:     {200, 0, 0, false},
		sim.BodyShort:     {200, 2500, 2500, false},
		sim.BodyShortTrue: {200, 5000, 2500, true},
		sim.BodyLong:      {200, 5016, 5016, false},
		sim.BodyAltered:   {200, 5000, 5000, false},
		sim.BodyCut:       {200, 5000, 2500, true},
		sim.BodyDrip:      {200, 5000, 5000, false},
		sim.BodyErrorPage: {200, -2, -2, false},
		sim.BodyHTML:      {200, -2, -2, false},
		sim.BodyRedirect:  {302, -2, -2, false},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := one(t, sim.Script{Blob: true, Size: 5000, Body: sim.BodyFault{Kind: kind, URL: "http://elsewhere.test/", Pause: time.Millisecond}})
			server := httptest.NewServer(s)
			t.Cleanup(server.Close)
			link := strings.Replace(report(t, s, ordinary), "http://config.test", server.URL, 1)
			status, length, body, err := fetch(t, link)
			if status != want.status || (err != nil) != want.broken || want.bytes >= 0 && (length != want.length || len(body) != want.bytes) {
				t.Errorf("%d, length %d, %d bytes, %v; want %+v", status, length, len(body), err, want)
			}
			_, _, whole, err := fetch(t, link)
			if err != nil || len(whole) != 5000 || bytes.Equal(body, whole) != (kind == sim.BodyDrip) {
				t.Errorf("the second: %d bytes, %v", len(whole), err)
			}
		})
	}
}

// fetch downloads over a socket, without following redirects.
func fetch(t *testing.T, link string) (status, length int, body []byte, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", link, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, int(resp.ContentLength), body, err
}

// TestStall: the first half of the body is sent, and then nothing until the client
// disconnects.
func TestStall(t *testing.T) {
	t.Parallel()
	s := one(t, sim.Script{Blob: true, Size: 5000, Body: sim.BodyFault{Kind: sim.BodyStall}})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	link := strings.Replace(report(t, s, ordinary), "http://config.test", server.URL, 1)
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 2500); err != nil {
		t.Error(err)
	}
	resp.Body.Close() // a server that waits on would hang in Close
}

// TestDownloadFailures: only failures for downloads affect downloads.
func TestDownloadFailures(t *testing.T) {
	t.Parallel()
	s := one(t, sim.Script{Failures: []sim.Failure{
		{Call: sim.Download, Code: "SecurityTokenExpired"}, {Call: sim.Download, Status: 503}, {Call: sim.Download},
	}})
	link := report(t, s, ordinary)
	if a := get(t, s, link); a.Status != 403 || storeCode(t, a) != "SecurityTokenExpired" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := get(t, s, link); a.Status != 503 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if err := aborted(s, httptest.NewRequest("GET", link, nil)); err == nil {
		t.Error("there was a response")
	}
	if a := get(t, s, link); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// rangeHeader requests the bytes from first to last.
func rangeHeader(first, last int) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, last)) }
}
