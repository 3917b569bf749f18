package s3

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

var _ sink.Opener = (*Options)(nil)

// Open implements [sink.Opener]. It sends no request.
func (o *Options) Open(context.Context) (sink.Sink, error) {
	if err := bucket.Refused(o.Check()); err != nil {
		return nil, err
	}
	s := &Sink{
		options:   *o,
		prefix:    bucket.Prefix(o.Prefix),
		threshold: int64(cmp.Or(o.MultipartThreshold, defaultThreshold)),
		part:      int64(cmp.Or(o.PartSize, defaultPart)),
	}
	client, err := bucket.Client(o.CAFile, isObject)
	if err != nil {
		return nil, err
	}
	options := s3.Options{
		Region:       o.Region,
		UsePathStyle: o.PathStyle,
		Credentials:  provider{s.options.credentials()},
		HTTPClient:   client,
		HTTPSignerV4: signer{},
		Retryer:      aws.NopRetryer{}, // see sink.Retrying
		// The default is a chunked body with a trailing checksum, which OSS
		// and others reject. Put sets the SHA-256 of each write.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if o.Endpoint != "" {
		options.BaseEndpoint = aws.String(strings.TrimRight(o.Endpoint, "/"))
	}
	s.client = s3.New(options)
	return s, nil
}

// isObject reports whether a request reads an object; the SDK marks it.
func isObject(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Query().Get("x-id") == "GetObject"
}

// credentials returns the provider of credentials.
func (o *Options) credentials() aws.CredentialsProvider {
	if o.AccessKeyIDFile != "" {
		return aws.CredentialsProviderFunc(o.readCredentials)
	}
	// The chain is set up on first use: it may read files and call services,
	// and Open must not wait for these.
	return aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		c, err := config.LoadDefaultConfig(ctx, config.WithRegion(o.Region), config.WithSharedConfigProfile(o.Profile))
		if err != nil {
			return aws.Credentials{}, err
		}
		return c.Credentials.Retrieve(ctx)
	}))
}

// readCredentials reads the files on each request, so that rotated keys take
// effect.
func (o *Options) readCredentials(context.Context) (c aws.Credentials, err error) {
	id, err := o.AccessKeyIDFile.Read()
	if err != nil {
		return c, err
	}
	key, err := o.SecretAccessKeyFile.Read()
	if err != nil {
		return c, err
	}
	c = aws.Credentials{AccessKeyID: id.Reveal(), SecretAccessKey: key.Reveal(), Source: "files"}
	if o.SessionTokenFile != "" {
		token, err := o.SessionTokenFile.Read()
		if err != nil {
			return aws.Credentials{}, err
		}
		c.SessionToken = token.Reveal()
	}
	return c, nil
}

// signer caches nothing. The SDK's own signer caches derived keys for a day by
// the access key ID, and would not notice that a wrong secret was corrected.
type signer struct{}

// SignHTTP implements the SDK's signer. Deriving the signing key takes four
// HMACs, which is negligible beside the request. Accept-Encoding is sent and not
// signed: Google's store, and proxies, alter it on the way.
func (signer) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, payloadHash, service, region string, at time.Time, options ...func(*v4.SignerOptions)) error {
	s := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }) // S3 paths are escaped only once
	accept := r.Header.Values("Accept-Encoding")
	r.Header.Del("Accept-Encoding")
	err := s.SignHTTP(ctx, c, r, payloadHash, service, region, at, options...)
	for _, v := range accept {
		r.Header.Add("Accept-Encoding", v)
	}
	return err
}

// provider marks errors of retrieving credentials, to tell them from those of
// the store.
type provider struct{ aws.CredentialsProvider }

// Retrieve implements [aws.CredentialsProvider].
func (p provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := p.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &credentialsError{err}
	}
	return c, nil
}

// credentialsError is a failure to retrieve credentials, before any request to
// the store.
type credentialsError struct{ error }

// Unwrap returns the error of the provider.
func (e *credentialsError) Unwrap() error { return e.error }
