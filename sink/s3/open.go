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

	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

var _ sink.Opener = (*Options)(nil)

// Open implements [sink.Opener]. It asks the store nothing.
func (o *Options) Open(context.Context) (sink.Sink, error) {
	for _, p := range o.Check() {
		if !p.Warning {
			return nil, fault.New(fault.SinkDenied, "%s: %s", p.Path, p.Message).WithHint("%s", p.Hint)
		}
	}
	s := &Sink{
		options:   *o,
		threshold: cmp.Or(o.MultipartThreshold, defaultThreshold),
		part:      cmp.Or(o.PartSize, defaultPart),
	}
	if p := strings.Trim(o.Prefix, "/"); p != "" {
		s.prefix = p + "/"
	}
	client, err := o.httpClient()
	if err != nil {
		return nil, err
	}
	options := s3.Options{
		Region:       o.Region,
		UsePathStyle: o.PathStyle,
		Credentials:  provider{s.options.retrieve()},
		HTTPClient:   client,
		HTTPSignerV4: signer{},
		Retryer:      aws.NopRetryer{}, // sink.Retrying tries again
		// The default is a trailing checksum in a body of chunks, which OSS
		// and others refuse. Put gives each write its SHA-256 beforehand.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if o.Endpoint != "" {
		options.BaseEndpoint = aws.String(strings.TrimRight(o.Endpoint, "/"))
	}
	s.client = s3.New(options)
	return s, nil
}

// httpClient has a time-out for each silence, but none for a whole transfer.
func (o *Options) httpClient() (*http.Client, error) {
	transport, err := egress.New(egress.Options{CAFile: o.CAFile, Conns: 64})
	if err != nil {
		return nil, err
	}
	transport.DialContext = impatient(transport.DialContext)
	reading := transport.Clone()
	reading.ResponseHeaderTimeout = silence
	transport.ResponseHeaderTimeout = 2 * time.Minute // a store puts large parts together before it answers
	return &http.Client{
		Transport: bounded{byMethod{reading, transport}},
		// A signed request is good for one host: another is a matter of the configuration.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// retrieve returns what finds the credentials.
func (o *Options) retrieve() aws.CredentialsProvider {
	if o.AccessKeyIDFile != "" {
		return aws.CredentialsProviderFunc(o.fromFiles)
	}
	// The chain is set up at its first use, for it may have to read files and
	// ask services, and Open must not wait for these.
	return aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		c, err := config.LoadDefaultConfig(ctx, config.WithRegion(o.Region), config.WithSharedConfigProfile(o.Profile))
		if err != nil {
			return aws.Credentials{}, err
		}
		return c.Credentials.Retrieve(ctx)
	}))
}

// fromFiles reads the files anew each time, so that rotated keys are taken up.
func (o *Options) fromFiles(context.Context) (c aws.Credentials, err error) {
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

// signer forgets what it derived from a key. The SDK's own keeps it for a day,
// by the key's ID, and would not notice that the secret was set right.
type signer struct{}

// SignHTTP implements the SDK's signer. It derives the day's key anew for each
// request, four HMACs, which is nothing beside the request itself.
func (signer) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, payloadHash, service, region string, at time.Time, options ...func(*v4.SignerOptions)) error {
	s := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }) // S3's paths are escaped once
	return s.SignHTTP(ctx, c, r, payloadHash, service, region, at, options...)
}

// provider marks the errors of finding credentials, to be told from the store's.
type provider struct{ aws.CredentialsProvider }

// Retrieve implements [aws.CredentialsProvider].
func (p provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := p.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &credentialsError{err}
	}
	return c, nil
}

// credentialsError is a failure to find credentials, before the store was asked.
type credentialsError struct{ error }

// Unwrap returns what the SDK, or the reading of a file, had to say.
func (e *credentialsError) Unwrap() error { return e.error }
