// Package ram has the access keys of Alibaba Cloud's Resource Access Management, for
// whatever signs requests with them: from files, from the chain of the official
// SDK or one of its providers, and of roles that are assumed with any of these.
package ram

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/aliyun/credentials-go/credentials/providers"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// Credentials configure how requests are signed: with static keys from files, or
// keys from the SDK credential chain or one of its providers. A role can be assumed
// with either. They are the `credentials` of an entry in the configuration file.
type Credentials struct {
	AccessKeyIDFile     secret.File `yaml:"access_key_id_file,omitempty"`
	AccessKeySecretFile secret.File `yaml:"access_key_secret_file,omitempty"`
	SecurityTokenFile   secret.File `yaml:"security_token_file,omitempty"` // with temporary (STS) keys

	Profile string `yaml:"profile,omitempty"`  // a profile of the aliyun CLI's configuration, instead of the chain
	ECSRole string `yaml:"ecs_role,omitempty"` // the RAM role of the ECS instance, instead of the chain
	URI     string `yaml:"uri,omitempty"`      // a credentials URI, instead of the chain

	RoleARN         string `yaml:"role_arn,omitempty"`          // a RAM role to assume: acs:ram::<account>:role/<name>
	RoleSessionName string `yaml:"role_session_name,omitempty"` // default packseal
	ExternalID      string `yaml:"external_id,omitempty"`
	STSEndpoint     string `yaml:"sts_endpoint,omitempty"` // host of the STS that roles are assumed at, such as sts-vpc.cn-shanghai.aliyuncs.com within a VPC; always by https; default sts.aliyuncs.com, or as ALIBABA_CLOUD_STS_REGION and ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED say
}

// The formats that RAM documents for ARNs and session names.
var (
	roleARN     = regexp.MustCompile(`^acs:ram::\d+:role/[A-Za-z0-9._-]+$`)
	sessionName = regexp.MustCompile(`^[A-Za-z0-9.@_-]{2,64}$`)
	hostAndPort = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$`)
)

// Check returns all problems, with paths that begin with "credentials". There are
// none of a nil c.
func (c *Credentials) Check() []fault.Problem {
	var ps fault.Problems
	if c == nil {
		return nil
	}
	const path = "credentials."
	chosen := c.chosen()
	ps.Require(len(chosen) <= 1, "credentials", strings.Join(chosen, " and ")+" exclude each other", "keep one of them, or none for the SDK credential chain")
	ps.Require(!c.files() || c.AccessKeyIDFile != "", path+"access_key_id_file", "missing", "an access key has an ID and a secret")
	ps.Require(!c.files() || c.AccessKeySecretFile != "", path+"access_key_secret_file", "missing", "an access key has an ID and a secret")
	ps = append(ps, c.AccessKeyIDFile.Check(path+"access_key_id_file")...)
	ps = append(ps, c.AccessKeySecretFile.Check(path+"access_key_secret_file")...)
	ps = append(ps, c.SecurityTokenFile.Check(path+"security_token_file")...)
	u, err := url.Parse(c.URI)
	web := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
	ps.Require(c.URI == "" || web, path+"uri", "not a URL", "http://host/path or https://host/path")
	// Whether the role exists is left to STS.
	ps.Require(c.RoleARN == "" || roleARN.MatchString(c.RoleARN), path+"role_arn", fmt.Sprintf("%.80q is not the ARN of a role", c.RoleARN), "acs:ram::<account>:role/<name>")
	ps.Require(c.RoleARN != "" || c.RoleSessionName == "", path+"role_session_name", "set without role_arn", "set role_arn too")
	ps.Require(c.RoleARN != "" || c.ExternalID == "", path+"external_id", "set without role_arn", "set role_arn too")
	ps.Require(c.RoleSessionName == "" || sessionName.MatchString(c.RoleSessionName), path+"role_session_name",
		"not a valid session name", "2 to 64 of A-Z a-z 0-9 . @ - _")
	ps.Require(c.STSEndpoint == "" || hostAndPort.MatchString(c.STSEndpoint), path+"sts_endpoint",
		fmt.Sprintf("%.80q is not a host", c.STSEndpoint), "a host, without https:// and path: sts-vpc.cn-shanghai.aliyuncs.com")
	return ps
}

// files reports whether static keys are configured.
func (c *Credentials) files() bool {
	return c.AccessKeyIDFile != "" || c.AccessKeySecretFile != "" || c.SecurityTokenFile != ""
}

// chosen returns the configured sources of Keys, which exclude each other.
func (c *Credentials) chosen() (names []string) {
	for _, choice := range []struct {
		name string
		is   bool
	}{{"files", c.files()}, {"profile", c.Profile != ""}, {"ecs_role", c.ECSRole != ""}, {"uri", c.URI != ""}} {
		if choice.is {
			names = append(names, choice.name)
		}
	}
	return names
}

// Keys are the access key that a request is signed with.
type Keys struct {
	ID, Secret secret.Value
	Token      secret.Value // of a temporary key
}

// Provider returns the current keys for a request. It is safe for concurrent use.
type Provider interface {
	// Get returns the keys. Its errors contain no secret, and are classified:
	// fault.Credentials, or fault.Unavailable if a retry can help.
	Get(context.Context) (Keys, error)
	// Invalidate reports that a service rejected these keys.
	Invalidate(Keys)
	// Origin returns where the keys come from, for people.
	Origin() string
}

// New returns the provider for c; nil means the SDK credential chain.
func New(c *Credentials) Provider {
	if c == nil {
		c = &Credentials{}
	}
	if c.files() && c.RoleARN == "" {
		return fileKeys{c}
	}
	return &sdkProvider{name: c.name(), role: c.RoleARN, build: c.build}
}

// Assume returns the provider for the role of c, which is assumed with the keys of
// another provider. Several roles can be assumed with one.
func Assume(c *Credentials, with Provider) Provider {
	return &sdkProvider{with: with, role: c.RoleARN, build: func() (providers.CredentialsProvider, error) { return c.assume(sdkKeys{with}) }}
}

// Or returns c with what it leaves out taken from others: where keys come from, unless
// c says so itself, and the role, unless c has one. Either may be nil.
func (c *Credentials) Or(others *Credentials) *Credentials {
	switch {
	case c == nil || others == nil:
		return cmp.Or(c, others)
	case len(c.chosen()) > 0 || c.RoleARN == "":
		return c
	}
	merged := *others
	merged.RoleARN, merged.RoleSessionName, merged.ExternalID = c.RoleARN, c.RoleSessionName, c.ExternalID
	merged.STSEndpoint = cmp.Or(c.STSEndpoint, others.STSEndpoint)
	return &merged
}

// name returns where the keys come from, for messages.
func (c *Credentials) name() string {
	from := "the SDK credential chain"
	switch {
	case c.files():
		from = "files"
	case c.Profile != "":
		from = "profile " + c.Profile
	case c.ECSRole != "":
		from = "the ECS role " + c.ECSRole
	case c.URI != "":
		from = "the credentials URI" // the URI may contain a token
	}
	if c.RoleARN != "" {
		return from + ", assuming " + c.RoleARN
	}
	return from
}

// build returns the provider of the SDK.
func (c *Credentials) build() (p providers.CredentialsProvider, err error) {
	// Do not return a typed nil as p: it would not be nil in the interface.
	switch {
	case c.files():
		p = sdkKeys{fileKeys{c}}
	case c.Profile != "":
		p, err = providers.NewCLIProfileCredentialsProviderBuilder().WithProfileName(c.Profile).Build()
	case c.ECSRole != "":
		p, err = providers.NewECSRAMRoleCredentialsProviderBuilder().WithRoleName(c.ECSRole).Build()
	case c.URI != "":
		p, err = providers.NewURLCredentialsProviderBuilder().WithUrl(c.URI).Build()
	default:
		p = providers.NewDefaultCredentialsProvider()
	}
	if err != nil || c.RoleARN == "" {
		return p, err
	}
	return c.assume(p)
}

// assume returns the provider of the SDK for the role.
func (c *Credentials) assume(p providers.CredentialsProvider) (providers.CredentialsProvider, error) {
	return providers.NewRAMRoleARNCredentialsProviderBuilder().
		WithCredentialsProvider(p).
		WithRoleArn(c.RoleARN).
		WithRoleSessionName(cmp.Or(c.RoleSessionName, "packseal")).
		WithExternalId(c.ExternalID).
		WithStsEndpoint(c.STSEndpoint).
		Build()
}

// fileKeys reads static keys from their files on each use.
type fileKeys struct{ from *Credentials }

func (f fileKeys) Invalidate(Keys) {}
func (f fileKeys) Origin() string  { return f.from.name() }

func (f fileKeys) Get(context.Context) (k Keys, err error) {
	if k.ID, err = f.from.AccessKeyIDFile.Read(); err != nil {
		return Keys{}, err
	}
	if k.Secret, err = f.from.AccessKeySecretFile.Read(); err != nil {
		return Keys{}, err
	}
	if f.from.SecurityTokenFile != "" {
		k.Token, err = f.from.SecurityTokenFile.Read()
	}
	return k, err
}

// sdkKeys is a Provider as one of the SDK, to assume a role.
type sdkKeys struct{ Provider }

// GetCredentials implements [providers.CredentialsProvider].
func (p sdkKeys) GetCredentials() (*providers.Credentials, error) {
	k, err := p.Get(context.Background())
	if err != nil {
		return nil, err
	}
	return &providers.Credentials{
		AccessKeyId: k.ID.Reveal(), AccessKeySecret: k.Secret.Reveal(), SecurityToken: k.Token.Reveal(),
		ProviderName: p.GetProviderName(),
	}, nil
}

// GetProviderName implements [providers.CredentialsProvider].
func (sdkKeys) GetProviderName() string { return "static" }
