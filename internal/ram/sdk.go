package ram

import (
	"context"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/aliyun/credentials-go/credentials/providers"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// sdkProvider wraps a provider of the Alibaba Cloud SDK, which does not support
// contexts, is not safe for concurrent use and, as a chain, never leaves the
// provider that it tried last, even if all have failed. Only one goroutine calls
// the SDK at a time, with others sharing the result, and the SDK's provider is
// rebuilt after an error or if a service rejects the keys. The SDK caches temporary
// keys until three minutes before they expire.
type sdkProvider struct {
	name  string   // where the keys come from; empty: a role that is assumed with another provider
	with  Provider // that one, or nil
	role  string   // that is assumed, or empty
	build func() (providers.CredentialsProvider, error)

	mu      sync.Mutex
	running *sdkCall                      // in progress, or nil
	current providers.CredentialsProvider // nil if it must be built; owned by running, if any
	last    Keys                          // the last keys returned
	used    string                        // the SDK's name of the provider that returned them
}

// sdkCall is a call of the SDK. Its result is valid once done is closed.
type sdkCall struct {
	done chan struct{}
	keys Keys
	err  error
}

// Invalidate discards the SDK's provider, unless it has returned other keys since.
func (p *sdkProvider) Invalidate(k Keys) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil && p.last == k {
		p.current = nil
	}
}

// Origin adds which provider of the chain returned the keys: the SDK's name is
// "default/env", or "ram_role_arn/default/env".
func (p *sdkProvider) Origin() string {
	if p.with != nil {
		return p.with.Origin() + ", assuming " + p.role
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, link, ok := strings.Cut(p.used, "default/")
	for _, known := range [][2]string{
		{"env", "the environment"}, {"oidc_role_arn", "OIDC"}, {"cli_profile", "a profile of the aliyun CLI"},
		{"profile", "a profile"}, {"ecs_ram_role", "the role of the ECS instance"}, {"credential_uri", "the credentials URI"},
	} {
		if name, _, _ := strings.Cut(link, "/"); ok && name == known[0] {
			return p.name + " (" + known[1] + ")"
		}
	}
	return p.name
}

// Get waits for the SDK until ctx ends. A call that is left behind ends with the
// SDK's own timeouts.
func (p *sdkProvider) Get(ctx context.Context) (Keys, error) {
	p.mu.Lock()
	c := p.running
	if c == nil {
		c = &sdkCall{done: make(chan struct{})}
		p.running = c
		go p.run(c, p.current)
	}
	p.mu.Unlock()
	select {
	case <-c.done:
		return c.keys, c.err
	case <-ctx.Done():
		return Keys{}, fault.Ended(ctx, "getting credentials from "+p.from())
	}
}

// from says where the keys come from, for messages.
func (p *sdkProvider) from() string {
	if p.with != nil {
		return "assuming " + p.role
	}
	return p.name
}

// run calls the SDK and completes c.
func (p *sdkProvider) run(c *sdkCall, sdk providers.CredentialsProvider) {
	k, sdk, err := p.call(sdk)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		sdk, c.err = nil, p.classify(err)
	} else {
		c.keys, p.last = k, k
	}
	p.current, p.running = sdk, nil
	close(c.done)
}

// errNoKeys is the error for keys without an ID or a secret.
var errNoKeys = errors.New("incomplete keys")

// call gets the Keys, from a new provider if sdk is nil. The SDK parses responses
// carelessly, so it recovers from panics.
func (p *sdkProvider) call(sdk providers.CredentialsProvider) (k Keys, _ providers.CredentialsProvider, err error) {
	defer func() {
		if recover() != nil {
			err = errNoKeys // the value may quote the response
		}
	}()
	if sdk == nil {
		if sdk, err = p.build(); err != nil {
			return k, nil, err
		}
	}
	c, err := sdk.GetCredentials()
	if err != nil {
		return k, sdk, err
	}
	if c == nil || c.AccessKeyId == "" || c.AccessKeySecret == "" {
		return k, sdk, errNoKeys
	}
	p.mu.Lock()
	p.used = c.ProviderName
	p.mu.Unlock()
	return Keys{secret.Value(c.AccessKeyId), secret.Value(c.AccessKeySecret), secret.Value(c.SecurityToken)}, sdk, nil
}

// safe matches the parts of the SDK's messages that can be shown. Others may quote
// whole responses and signed URLs.
var safe = regexp.MustCompile(`"Code": ?"[\w.]{1,80}"|"RequestId": ?"[\w-]{1,80}"|` +
	`unable to get profile with (name )?'[\w.-]{1,80}'|unsupported profile mode '\w{1,40}'|disabled|no such file or directory|permission denied|` +
	`connection refused|connection reset|no such host|i/o timeout|Client\.Timeout exceeded|no route to host|certificate|` +
	`json[ .:]\w+|Unmarshal|parsing time|cannot found home dir|incomplete keys|(\w+ (is empty|must be set|can't be empty))`)

// What STS says of a role: that it is refused, which a retry does not change, or that
// it can't say.
var (
	refusedRole = regexp.MustCompile(`"Code": ?"(EntityNotExist\.Role|NoPermission)"`)
	busySTS     = regexp.MustCompile(`"Code": ?"(Throttling[\w.]*|ServiceUnavailable|InternalError)"`)
)

// classify classifies an error of the SDK and shows only safe parts of it. Network
// errors are transient, and so are errors after an earlier success, unless STS
// refuses the role: that keys cannot be renewed does not mean that they are wrong.
// The caller holds mu.
func (p *sdkProvider) classify(err error) error {
	if fe, ok := errors.AsType[*fault.Error](err); ok {
		return fe // from sdkKeys
	}
	message := err.Error()
	if ue, ok := errors.AsType[*url.Error](err); ok {
		message = ue.Err.Error() // *url.Error contains the URL
	}
	refused := refusedRole.FindStringSubmatch(message)
	reason := fault.Credentials
	if _, ok := errors.AsType[net.Error](err); ok || refused == nil && p.last != (Keys{}) || busySTS.MatchString(message) {
		reason = fault.Unavailable
	}
	detail := ""
	if parts := distinct(safe.FindAllString(message, 16)); len(parts) > 0 {
		detail = ": " + strings.Join(parts, ", ")
	}
	failed := fault.New(reason, "no credentials from %s%s", p.from(), detail)
	switch {
	case p.role != "" && refused != nil && refused[1] == "NoPermission":
		return failed.WithHint("allow sts:AssumeRole on %s to the identity that assumes it, and that identity in the role's trust policy, under the external_id if it demands one", p.role)
	case p.role != "" && refused != nil:
		return failed.WithHint("create the role %s, or correct its name", p.role)
	case strings.HasPrefix(message, "parsing time "):
		return failed.WithHint("their Expiration must be in UTC and end in Z, such as 2026-01-31T08:00:00Z: the SDK reads no other time zone")
	case p.with != nil:
		return failed
	}
	return failed.WithHint("set credentials (those of sources can stand under defaults as well): access_key_id_file and access_key_secret_file, or a source of the SDK credential chain: ALIBABA_CLOUD_ACCESS_KEY_ID and _SECRET, OIDC, a profile, an ECS role or a credentials URI")
}

// distinct removes duplicates.
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
