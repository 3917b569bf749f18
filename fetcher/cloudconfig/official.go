package cloudconfig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/aliyun/credentials-go/credentials/providers"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// official guards a provider of the official library, which knows no context,
// is not made for many goroutines, and, as a chain, stays with the provider it
// tried last even when all have failed. One goroutine at a time asks it, whom
// others join, and after an error or a refusal it is made anew. The library
// keeps temporary keys until three minutes before they expire.
type official struct {
	what  string
	build func() (providers.CredentialsProvider, error)

	mu      sync.Mutex
	flight  *flight                       // under way, or nil
	current providers.CredentialsProvider // nil: to be made; a flight's own while there is one
	last    keys                          // the keys that were given last
	giver   string                        // the library's name of who gave those
}

// flight is one question to the library, and its answer once done is closed.
type flight struct {
	done chan struct{}
	keys keys
	err  error
}

// forget makes the next get begin afresh, unless others were given meanwhile.
func (o *official) forget(k keys) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.flight == nil && o.last == k {
		o.current = nil
	}
}

// origin adds, for the chain, which of its links gave the keys: the library
// writes "default/env", or "ram_role_arn/default/env".
func (o *official) origin() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, link, ok := strings.Cut(o.giver, "default/")
	for _, said := range [][2]string{
		{"env", "the environment"}, {"oidc_role_arn", "OIDC"}, {"cli_profile", "a profile of the official CLI"},
		{"profile", "a profile"}, {"ecs_ram_role", "the ECS instance's role"}, {"credential_uri", "the credentials URI"},
	} {
		if name, _, _ := strings.Cut(link, "/"); ok && name == said[0] {
			return o.what + " (" + said[1] + ")"
		}
	}
	return o.what
}

// get waits for the library no longer than ctx. The library's own time-outs
// end what is left behind.
func (o *official) get(ctx context.Context) (keys, error) {
	o.mu.Lock()
	f := o.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		o.flight = f
		go o.fly(f, o.current)
	}
	o.mu.Unlock()
	select {
	case <-f.done:
		return f.keys, f.err
	case <-ctx.Done():
		return keys{}, ended(ctx, "getting credentials from "+o.what)
	}
}

// fly asks the library and lands with keys or an error.
func (o *official) fly(f *flight, p providers.CredentialsProvider) {
	k, p, err := o.ask(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		p, f.err = nil, o.classify(err)
	} else {
		f.keys, o.last = k, k
	}
	o.current, o.flight = p, nil
	close(f.done)
}

// errNoKeys is for an answer without an ID or a secret.
var errNoKeys = errors.New("incomplete keys")

// ask makes the provider if need be and gets the keys. The library reads
// answers without much care, so a panic in it is an error like any other.
func (o *official) ask(p providers.CredentialsProvider) (k keys, _ providers.CredentialsProvider, err error) {
	defer func() {
		if recover() != nil {
			err = errNoKeys // the value may hold what was read
		}
	}()
	if p == nil {
		if p, err = o.build(); err != nil {
			return k, nil, err
		}
	}
	c, err := p.GetCredentials()
	if err != nil {
		return k, p, err
	}
	if c == nil || c.AccessKeyId == "" || c.AccessKeySecret == "" {
		return k, p, errNoKeys
	}
	o.mu.Lock()
	o.giver = c.ProviderName
	o.mu.Unlock()
	return keys{secret.Value(c.AccessKeyId), secret.Value(c.AccessKeySecret), secret.Value(c.SecurityToken)}, p, nil
}

// telling matches the parts of the library's messages that are fit to be
// shown. The rest can hold whole answers and signed URLs.
var telling = regexp.MustCompile(`"Code": ?"[\w.]{1,80}"|"RequestId": ?"[\w-]{1,80}"|` +
	`unable to get profile with (name )?'[\w.-]{1,80}'|unsupported profile mode '\w{1,40}'|disabled|no such file or directory|permission denied|` +
	`connection refused|connection reset|no such host|i/o timeout|Client\.Timeout exceeded|no route to host|certificate|` +
	`json[ .:]\w+|Unmarshal|parsing time|cannot found home dir|incomplete keys|(\w+ (is empty|must be set|can't be empty))`)

// classify says what is wrong without repeating what the library says. A
// network that fails is passing, and so is what fails after it has worked:
// keys that were good do not become wrong by being renewed. The caller holds mu.
func (o *official) classify(err error) error {
	if fe, ok := errors.AsType[*fault.Error](err); ok {
		return fe // of our own reading the files
	}
	reason := fault.Credentials
	if _, ok := errors.AsType[net.Error](err); ok || o.last != (keys{}) {
		reason = fault.Unavailable
	}
	said := err.Error()
	if ue, ok := errors.AsType[*url.Error](err); ok {
		said = ue.Err.Error() // the whole holds the URL
	}
	detail := ""
	if parts := distinct(telling.FindAllString(said, 16)); len(parts) > 0 {
		detail = ": " + strings.Join(parts, ", ")
	}
	return fault.New(reason, "%s", fmt.Sprintf("no credentials from %s%s", o.what, detail)).
		WithHint("set access_key_id_file and access_key_secret_file, or what the official chain reads: ALIBABA_CLOUD_ACCESS_KEY_ID and _SECRET, OIDC, a profile, an ECS role or a credentials URI")
}

// distinct drops repeated words.
func distinct(words []string) (once []string) {
	seen := map[string]bool{}
	for _, w := range words {
		if !seen[w] {
			seen[w] = true
			once = append(once, w)
		}
	}
	return once
}
