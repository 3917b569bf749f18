package cloudconfig

import (
	"cmp"
	"context"

	"github.com/aliyun/credentials-go/credentials/providers"

	"packseal.example/internal/secret"
)

// keys are what a call is signed with.
type keys struct {
	id, secret secret.Value
	token      secret.Value // of temporary keys
}

// provider gives keys, for each call anew. Its errors are classified and hold
// no secret.
type provider interface {
	get(context.Context) (keys, error)
	// forget says that the API refused these keys.
	forget(keys)
	// origin names where the keys come from, for people.
	origin() string
}

// newProvider makes the provider that c describes; nil means the official chain.
func newProvider(c *Credentials) provider {
	if c == nil {
		c = &Credentials{}
	}
	if c.files() && c.RoleARN == "" {
		return fileKeys{c}
	}
	return &official{what: c.what(), build: c.build}
}

// what names where the keys come from, for messages.
func (c *Credentials) what() string {
	from := "the official chain"
	switch {
	case c.files():
		from = "files"
	case c.Profile != "":
		from = "profile " + c.Profile
	case c.ECSRole != "":
		from = "the ECS role " + c.ECSRole
	case c.URI != "":
		from = "the credentials URI" // it may hold a token itself
	}
	if c.RoleARN != "" {
		return from + " to assume " + c.RoleARN
	}
	return from
}

// build makes the official library's provider.
func (c *Credentials) build() (p providers.CredentialsProvider, err error) {
	// Nothing built may be returned in place of nil: each branch has a type
	// of its own, and a nil pointer in an interface is not nil.
	switch {
	case c.files():
		p = &libraryFiles{fileKeys{c}}
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
	return providers.NewRAMRoleARNCredentialsProviderBuilder().
		WithCredentialsProvider(p).
		WithRoleArn(c.RoleARN).
		WithRoleSessionName(cmp.Or(c.RoleSessionName, "packseal")).
		WithExternalId(c.ExternalID).
		Build()
}

// fileKeys reads static keys from their files at each use.
type fileKeys struct{ from *Credentials }

func (f fileKeys) forget(keys)    {}
func (f fileKeys) origin() string { return f.from.what() }

func (f fileKeys) get(context.Context) (k keys, err error) {
	if k.id, err = f.from.AccessKeyIDFile.Read(); err != nil {
		return keys{}, err
	}
	if k.secret, err = f.from.AccessKeySecretFile.Read(); err != nil {
		return keys{}, err
	}
	if f.from.SecurityTokenFile != "" {
		k.token, err = f.from.SecurityTokenFile.Read()
	}
	return k, err
}

// libraryFiles lets the official library read the files, to assume a role.
type libraryFiles struct{ fileKeys }

// GetCredentials implements the library's interface.
func (f libraryFiles) GetCredentials() (*providers.Credentials, error) {
	k, err := f.get(context.Background())
	if err != nil {
		return nil, err
	}
	return &providers.Credentials{
		AccessKeyId: k.id.Reveal(), AccessKeySecret: k.secret.Reveal(), SecurityToken: k.token.Reveal(),
		ProviderName: f.GetProviderName(),
	}, nil
}

// GetProviderName implements the library's interface.
func (libraryFiles) GetProviderName() string { return "static" }
