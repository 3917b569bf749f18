package oss

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Options)
		paths  []string
		hint   string // of the first
	}{
		"good":          {func(*Options) {}, nil, ""},
		"of the region": {func(o *Options) { o.Endpoint = "" }, nil, ""},
		"internal":      {func(o *Options) { o.Endpoint, o.Internal = "", true }, nil, ""},
		"own domain":    {func(o *Options) { o.Endpoint, o.CName = "https://evidence.example.com", true }, nil, ""},
		"finance cloud": {func(o *Options) {
			o.Endpoint, o.Region = "https://oss-cn-shanghai-finance-1.aliyuncs.com", "cn-shanghai-finance-1"
		}, nil, ""},
		"accelerated":      {func(o *Options) { o.Endpoint = "https://oss-accelerate.aliyuncs.com" }, nil, ""},
		"nothing":          {func(o *Options) { *o = Options{} }, []string{"region", "bucket"}, "cn-shanghai"},
		"endpoint's name":  {func(o *Options) { o.Region = "oss-cn-shanghai" }, []string{"region"}, `"cn-shanghai"`},
		"no region":        {func(o *Options) { o.Region = "Shanghai 1" }, []string{"region"}, "cn-shanghai"},
		"bucket":           {func(o *Options) { o.Bucket = "Evidence" }, []string{"bucket"}, "a-z"},
		"prefix":           {func(o *Options) { o.Prefix = "a//b" }, []string{"prefix"}, "packseal"},
		"http":             {func(o *Options) { o.Endpoint = "http://oss.example.com" }, []string{"endpoint"}, "https"},
		"http forced":      {func(o *Options) { o.Endpoint, o.AllowHTTP = "http://oss.example.com", true }, nil, ""},
		"no scheme":        {func(o *Options) { o.Endpoint = "oss-cn-shanghai.aliyuncs.com" }, []string{"endpoint"}, "https://"},
		"path":             {func(o *Options) { o.Endpoint = "https://oss-cn-shanghai.aliyuncs.com/evidence" }, []string{"endpoint"}, "without bucket"},
		"bucket twice":     {func(o *Options) { o.Endpoint = "https://evidence.oss-cn-shanghai.aliyuncs.com" }, []string{"endpoint"}, "https://oss-cn-shanghai.aliyuncs.com"},
		"user":             {func(o *Options) { o.Endpoint = "https://u:" + keySecret + "@oss.example.com" }, []string{"endpoint"}, ""},
		"S3 protocol":      {func(o *Options) { o.Endpoint = "https://s3.oss-cn-shanghai.aliyuncs.com" }, []string{"endpoint"}, "https://oss-cn-shanghai.aliyuncs.com"},
		"two endpoints":    {func(o *Options) { o.Internal = true }, []string{"internal"}, "one of them"},
		"cname alone":      {func(o *Options) { o.Endpoint, o.CName = "", true }, []string{"cname"}, "domain"},
		"cname of OSS":     {func(o *Options) { o.Endpoint, o.CName = "https://oss-cn-shanghai.aliyuncs.com", true }, []string{"cname"}, "remove"},
		"cname an address": {func(o *Options) { o.CName = true }, []string{"cname"}, "remove"},
		"no CA":            {func(o *Options) { o.CAFile = "/no/such/file" }, []string{"ca_file"}, ""},
		"half a key":       {func(o *Options) { o.Credentials.AccessKeySecretFile = "" }, []string{"credentials.access_key_secret_file"}, ""},
		"two ways":         {func(o *Options) { o.Credentials.ECSRole = "r" }, []string{"credentials"}, ""},
		"the chain":        {func(o *Options) { o.Credentials = nil }, nil, ""},
		"role":             {func(o *Options) { o.Credentials = &ram.Credentials{RoleARN: "acs:ram::1:role/x"} }, nil, ""},
		"overwrite":        {func(o *Options) { o.Overwrite = "of" }, []string{"overwrite"}, "forbid, off"},
		"worm":             {func(o *Options) { o.BucketWorm = &BucketWorm{Days: 25551} }, []string{"bucket_worm.days"}, "25550"},
		"lock":             {func(o *Options) { o.ObjectLock = &ObjectLock{} }, []string{"object_lock.days", "object_lock"}, "25550"},
		"lock accepted":    {func(o *Options) { o.ObjectLock, o.Overwrite = &ObjectLock{Days: 1}, "off" }, nil, ""},
		"sse":              {func(o *Options) { o.SSE = &SSE{Type: "aws:kms", KMSKeyID: "k"} }, []string{"sse.type", "sse.kms_key_id"}, ""},
		"sizes":            {func(o *Options) { o.PartSize, o.MultipartThreshold = 1, -1 }, []string{"multipart_threshold", "part_size"}, ""},
	} {
		o := options(t, "http://127.0.0.1:1")
		c.change(o)
		var paths []string
		problems := o.Check()
		for _, p := range problems {
			paths = append(paths, p.Path)
			if strings.Contains(p.Message+p.Hint, keySecret) {
				t.Errorf("%s: a problem shows the secret", name)
			}
		}
		if diff := cmp.Diff(c.paths, paths); diff != "" || len(paths) > 0 && !strings.Contains(problems[0].Hint, c.hint) {
			t.Errorf("%s: %s %+v", name, diff, problems)
		}
		if _, err := o.Open(t.Context()); (err != nil) != (len(paths) > 0) {
			t.Errorf("%s: Open: %v", name, err)
		}
	}
	o := options(t, "https://oss-cn-hangzhou-internal.aliyuncs.com")
	if p := o.Check(); len(p) != 1 || !p[0].Warning || p[0].Path != "region" {
		t.Errorf("another region's endpoint: %+v", p)
	}
}

// TestEndpoints: where requests go, and that the bucket is in the name of the host but
// for a domain of its own.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Options){
		"https://evidence.oss-cn-shanghai.aliyuncs.com/p/k":           func(o *Options) { o.Endpoint = "" },
		"https://evidence.oss-cn-shanghai-internal.aliyuncs.com/p/k":  func(o *Options) { o.Endpoint, o.Internal = "", true },
		"https://evidence.oss-cn-shanghai-finance-1.aliyuncs.com/p/k": func(o *Options) { o.Endpoint = "https://oss-cn-shanghai-finance-1.aliyuncs.com/" },
		"https://evidence.example.com/p/k":                            func(o *Options) { o.Endpoint, o.CName = "https://evidence.example.com", true },
		"http://127.0.0.1:1/evidence/p/k":                             func(*Options) {},
	} {
		o := options(t, "http://127.0.0.1:1")
		o.Prefix = "/p/"
		change(o)
		opened, err := o.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s, got := opened.(*Sink), ""
		s.api = newAPI(o.client(&http.Client{Transport: roundTrip(func(r *http.Request) { got = r.URL.String() })}, s.keys))
		if _, err := s.Open(t.Context(), "k"); fault.Of(err) != fault.SinkUnavailable || got != want {
			t.Errorf("asked %s, want %s: %v", got, want, err)
		}
	}
}

// roundTrip sees requests, and answers none.
type roundTrip func(*http.Request)

// RoundTrip implements [http.RoundTripper].
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return nil, io.ErrUnexpectedEOF
}
