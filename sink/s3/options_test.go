package s3

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Options)
		paths  []string
	}{
		"good":        {func(*Options) {}, nil},
		"AWS":         {func(o *Options) { o.Endpoint, o.PathStyle = "", false }, nil},
		"nothing":     {func(o *Options) { *o = Options{} }, []string{"region", "bucket"}},
		"bucket":      {func(o *Options) { o.Bucket = "a/b" }, []string{"bucket"}},
		"prefix":      {func(o *Options) { o.Prefix = "a//b" }, []string{"prefix"}},
		"root":        {func(o *Options) { o.Prefix = "/" }, []string{"prefix"}},
		"http":        {func(o *Options) { o.Endpoint = "http://store.example" }, []string{"endpoint"}},
		"http forced": {func(o *Options) { o.Endpoint, o.AllowHTTP = "http://store.example", true }, nil},
		"no URL":      {func(o *Options) { o.Endpoint = "store.example" }, []string{"endpoint"}},
		"path":        {func(o *Options) { o.Endpoint = "https://store.example/bucket" }, []string{"endpoint"}},
		"twice":       {func(o *Options) { o.Endpoint, o.PathStyle = "https://B.store.example", false }, []string{"endpoint"}},
		"not twice":   {func(o *Options) { o.Endpoint, o.PathStyle = "https://bb.store.example", false }, nil},
		"own name":    {func(o *Options) { o.Endpoint = "https://b.store.example" }, nil},
		"user":        {func(o *Options) { o.Endpoint = "https://u:" + secretKey + "@store.example" }, []string{"endpoint"}},
		"IP":          {func(o *Options) { o.PathStyle = false }, []string{"path_style"}},
		"no CA":       {func(o *Options) { o.CAFile = "/no/such/file" }, []string{"ca_file"}},
		"half a key":  {func(o *Options) { o.SecretAccessKeyFile = "" }, []string{"secret_access_key_file"}},
		"other half":  {func(o *Options) { o.AccessKeyIDFile = "" }, []string{"access_key_id_file"}},
		"token alone": {func(o *Options) {
			o.SessionTokenFile, o.AccessKeyIDFile, o.SecretAccessKeyFile = o.AccessKeyIDFile, "", ""
		}, []string{"session_token_file"}},
		"unreadable": {func(o *Options) { o.SessionTokenFile = "/no/such/file" }, []string{"session_token_file"}},
		"two ways":   {func(o *Options) { o.Profile = "p" }, []string{"profile"}},
		"condition":  {func(o *Options) { o.ConditionalWrites = "of" }, []string{"conditional_writes"}},
		"sse":        {func(o *Options) { o.SSE = &SSE{Type: "AES", KMSKeyID: "k"} }, []string{"sse.type", "sse.kms_key_id"}},
		"lock":       {func(o *Options) { o.ObjectLock = &ObjectLock{Mode: "compliance"} }, []string{"object_lock.mode", "object_lock.days"}},
		"sizes":      {func(o *Options) { o.PartSize, o.MultipartThreshold = 1, -1 }, []string{"multipart_threshold", "part_size"}},
	} {
		o := options(t, "http://127.0.0.1:1", "b")
		tc.change(o)
		var paths []string
		for _, p := range o.Check() {
			paths = append(paths, p.Path)
			if strings.Contains(p.Message+p.Hint, secretKey) {
				t.Errorf("%s: a problem shows the secret", name)
			}
		}
		if diff := cmp.Diff(tc.paths, paths); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if _, err := o.Open(t.Context()); (err != nil) != (len(paths) > 0) {
			t.Errorf("%s: Open: %v", name, err)
		}
	}
}

// Without files the AWS default credential chain is used, on first use.
func TestCredentialChain(t *testing.T) {
	f := newFake(t)
	for _, key := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(key, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	s := f.open(t, func(o *Options) { o.AccessKeyIDFile, o.SecretAccessKeyFile = "", "" })
	want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "chain")
	if len(f.requests) != 0 {
		t.Error("a request was sent without credentials")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	if err := s.Put(t.Context(), "k", x); err != nil {
		t.Error(err)
	}
	if got := f.requests[0].Header.Get("Authorization"); !strings.Contains(got, accessKey) {
		t.Errorf("authorized as %q", got)
	}
}

// A missing credentials file is reported as such.
func TestCredentialsGone(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := f.open(t, nil)
	s.options.SecretAccessKeyFile = "/no/such/file"
	want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "credential")
}

// TestWeaker: the sink says that it is in the weaker mode.
func TestWeaker(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"": "", conditionalRequired: "", conditionalOff: "conditional_writes: off"} {
		o := options(t, "http://127.0.0.1:1", "b")
		o.ConditionalWrites = mode
		if got := sink.Weaker(open(t, o)); got != want {
			t.Errorf("%q: %q, want %q", mode, got, want)
		}
	}
}
