package oss

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/google/go-cmp/cmp"

	"packseal.example/sink/oss/ossfake"
)

// TestVendor has the vendor's own client, set up as people do, judge the fake.
func TestVendor(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	c, name := f.vendor(), alioss.Ptr(evidence)
	ctx := t.Context()
	b := random(3<<20 + 1)
	if _, err := c.NewUploader().UploadFrom(ctx, &alioss.PutObjectRequest{Bucket: name, Key: alioss.Ptr("审 计/a+b%20c&d=é'(1)!~*@:;,$.txt")}, bytes.NewReader(b),
		func(o *alioss.UploaderOptions) { o.PartSize = minPart }); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b", "c"} {
		if _, err := c.PutObject(ctx, &alioss.PutObjectRequest{Bucket: name, Key: &key, Body: bytes.NewReader([]byte(key))}); err != nil {
			t.Fatal(err)
		}
	}
	var keys []string
	for pages := c.NewListObjectsV2Paginator(&alioss.ListObjectsV2Request{Bucket: name, MaxKeys: 2}); pages.HasNext(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "审 计/a+b%20c&d=é'(1)!~*@:;,$.txt"}, keys); diff != "" {
		t.Error(diff)
	}
	got, err := c.GetObject(ctx, &alioss.GetObjectRequest{Bucket: name, Key: &keys[3]})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(got.Body)
	if err != nil || !bytes.Equal(body, b) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if err := got.Body.Close(); err != nil {
		t.Error(err)
	}
	link, err := c.Presign(ctx, &alioss.GetObjectRequest{Bucket: name, Key: &keys[3]}, alioss.PresignExpires(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(link.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, err = io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || !bytes.Equal(body, b) {
		t.Errorf("the link: %s, %d bytes, %v", resp.Status, len(body), err)
	}
	_, err = c.PutObject(ctx, &alioss.PutObjectRequest{Bucket: name, Key: alioss.Ptr("a"), Body: bytes.NewReader(nil), ForbidOverwrite: alioss.Ptr("true")})
	if s, ok := errors.AsType[*alioss.ServiceError](err); !ok || s.StatusCode != 409 || s.Code != "FileAlreadyExists" {
		t.Errorf("got %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestFakeIsStrict: what OSS refuses, the fake refuses.
func TestFakeIsStrict(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Put(evidence, "k", "x")
	with := func(region, id, secret, token string, more ...func(*alioss.Config)) *alioss.Client {
		config := alioss.LoadDefaultConfig().WithRegion(region).WithEndpoint(f.url).WithRetryMaxAttempts(1).
			WithCredentialsProvider(credentials.NewStaticCredentialsProvider(id, secret, token))
		for _, m := range more {
			m(config)
		}
		return alioss.NewClient(config)
	}
	for want, c := range map[string]*alioss.Client{
		"":                      with(ossfake.Region, keyID, keySecret, "", func(c *alioss.Config) { c.WithAdditionalHeaders([]string{"host", "user-agent"}) }),
		"SignatureDoesNotMatch": with(ossfake.Region, keyID, "wrong", ""),
		"InvalidAccessKeyId":    with(ossfake.Region, "nobody", keySecret, ""),
		"InvalidArgument":       with("cn-hangzhou", keyID, keySecret, ""),
		"AccessDenied":          with(ossfake.Region, keyID, keySecret, "", func(c *alioss.Config) { c.WithSignatureVersion(alioss.SignatureVersionV1) }),
	} {
		out, err := c.GetObject(t.Context(), &alioss.GetObjectRequest{Bucket: alioss.Ptr(evidence), Key: alioss.Ptr("k")})
		if err == nil {
			out.Body.Close() //nolint:errcheck // read only
		}
		if got := parseError(err).code; got != want {
			t.Errorf("got %q, want %q: %v", got, want, err)
		}
	}
	for name, alter := range map[string]func(*http.Request){
		"header": func(r *http.Request) { r.Header.Set("x-oss-meta-a", "b") },
		"query":  func(r *http.Request) { r.URL.RawQuery += "&versionId=null" },
		"method": func(r *http.Request) { r.Method = http.MethodHead },
		"date":   func(r *http.Request) { r.Header.Set("x-oss-date", "20200101T000000Z") },
	} {
		c := with(ossfake.Region, keyID, keySecret, "", func(c *alioss.Config) { c.WithHttpClient(&http.Client{Transport: altering(alter)}) })
		if out, err := c.GetObject(t.Context(), &alioss.GetObjectRequest{Bucket: alioss.Ptr(evidence), Key: alioss.Ptr("k")}); err == nil {
			t.Errorf("%s was altered, and taken", name)
			out.Body.Close() //nolint:errcheck // read only
		}
	}
}

// altering alters requests on their way.
type altering func(*http.Request)

// RoundTrip implements [http.RoundTripper].
func (a altering) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	a(r)
	return http.DefaultTransport.RoundTrip(r)
}
