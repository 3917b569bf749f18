package oss

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/retry"

	"packseal.example/internal/ram"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

var _ sink.Opener = (*Options)(nil)

// Open implements [sink.Opener]. It sends no request.
func (o *Options) Open(context.Context) (sink.Sink, error) {
	if err := bucket.Refused(o.Check()); err != nil {
		return nil, err
	}
	client, err := bucket.Client(o.CAFile, isObject)
	if err != nil {
		return nil, err
	}
	s := &Sink{
		options:   *o,
		keys:      ram.New(o.Credentials),
		prefix:    bucket.Prefix(o.Prefix),
		threshold: int64(cmp.Or(o.MultipartThreshold, defaultThreshold)),
		part:      int64(cmp.Or(o.PartSize, defaultPart)),
		checking:  make(chan struct{}, 1),
	}
	s.api = newAPI(o.client(client, s.keys))
	return s, nil
}

// client returns the SDK's client, which sends requests by h.
func (o *Options) client(h *http.Client, keys ram.Provider) *alioss.Client {
	h.Transport = genuine{h.Transport}
	config := alioss.LoadDefaultConfig().
		WithRegion(o.Region).WithUseInternalEndpoint(o.Internal).WithUseCName(o.CName).
		WithCredentialsProvider(signer{keys}).
		WithHttpClient(h).
		// Its retries hide what happened: an object that was stored by the try before
		// is a conflict then. See sink.Retrying.
		WithRetryer(retry.NopRetryer{}).WithRetryMaxAttempts(1).
		WithDisableUploadCRC64Check(true) // Put compares the sums itself
	if o.Endpoint != "" {
		config = config.WithEndpoint(strings.TrimRight(o.Endpoint, "/"))
	}
	return alioss.NewClient(config, func(c *alioss.Options) {
		c.FeatureFlags &^= alioss.FeatureCorrectClockSkew | alioss.FeatureAutoDetectMimeType
	})
}

// isObject reports whether a request reads an object: all others have a query.
func isObject(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.RawQuery == "" }

// genuine gives the SDK no response that it would take for one of OSS and that is not:
// any of a proxy that says success; and errors in JSON, from which it would take the
// status and headers as well, and which it does not always survive. Those of OSS are
// in XML.
type genuine struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (g genuine) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := g.RoundTripper.RoundTrip(r)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode/100 != 2:
		resp.Header.Del("Content-Type")
	case resp.Header.Get(alioss.HeaderOssRequestID) == "":
		return nil, errors.Join(bucket.ErrForeign, resp.Body.Close())
	}
	return resp, nil
}

// signer gives the SDK the keys that requests are signed with.
type signer struct{ ram.Provider }

// GetCredentials implements [credentials.CredentialsProvider]. It leaves the keys in
// the context for ask.
func (s signer) GetCredentials(ctx context.Context) (c credentials.Credentials, err error) {
	k, err := s.Get(ctx)
	if err != nil {
		return c, &keysError{err}
	}
	if used, ok := ctx.Value(usedKeys{}).(*ram.Keys); ok {
		*used = k
	}
	return credentials.Credentials{AccessKeyID: k.ID.Reveal(), AccessKeySecret: k.Secret.Reveal(), SecurityToken: k.Token.Reveal()}, nil
}

// usedKeys is the key in a context of the keys that a request was signed with.
type usedKeys struct{}

// keysError is a failure to get keys, before any request to OSS.
type keysError struct{ error }

// Unwrap returns the error of the provider.
func (e *keysError) Unwrap() error { return e.error }

// ask sends a request. If OSS refuses its keys, and there are others meanwhile, it is
// sent once more: temporary keys may expire in the middle of an upload.
func ask[T any](ctx context.Context, s *Sink, send func(context.Context) (T, error)) (T, error) {
	var used ram.Keys
	out, err := send(context.WithValue(ctx, usedKeys{}, &used))
	if err == nil || !parseError(err).refusesKeys() {
		return out, err
	}
	s.keys.Invalidate(used)
	if fresh, keysErr := s.keys.Get(ctx); keysErr != nil || fresh == used {
		return out, err
	}
	return send(ctx)
}
