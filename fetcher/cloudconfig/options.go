// Package cloudconfig is Alibaba Cloud Config as a source of reports: a
// client of its API (version 2020-09-07, RPC style, ACS3-HMAC-SHA256).
package cloudconfig

import (
	"time"

	"packseal.example/internal/secret"
)

// Options configure a source. They are the `cloudconfig` entry of a source
// in the configuration file; a zero field means its default.
type Options struct {
	Endpoint          string        `yaml:"endpoint"`                      // the API's address, https://config.cn-shanghai.aliyuncs.com for the China site; required
	AllowHTTP         bool          `yaml:"allow_http,omitempty"`          // permit http:// for an endpoint or link that is not on a loopback address
	RequestsPerSecond float64       `yaml:"requests_per_second,omitempty"` // how fast the API is called at most, by all replicas together; default 5
	MaxInFlight       int           `yaml:"max_in_flight,omitempty"`       // how many reports are in the making at once, in all replicas together; default 64
	RequestTimeout    time.Duration `yaml:"request_timeout,omitempty"`     // the time one call may take; default 30s
	LinkHosts         []string      `yaml:"link_hosts,omitempty"`          // hosts that a report's link may point to, "*.example.com" for a whole domain; default *.aliyuncs.com, and the endpoint's own host where that is a loopback address
	LinkNetworks      []string      `yaml:"link_networks,omitempty"`       // networks (CIDR) that these hosts may be in although no store is there: loopback, link-local, multicast, metadata services; default none
	CAFile            string        `yaml:"ca_file,omitempty"`             // PEM certificates to trust besides the system's, for the API and the links
	Credentials       *Credentials  `yaml:"credentials,omitempty"`         // default: the official chain (environment, OIDC, profile, ECS role, URI)
}

// Credentials say how calls are signed. Static keys come from files; without
// them the official chain gives the credentials. A role is assumed on top of either.
type Credentials struct {
	AccessKeyIDFile     secret.File `yaml:"access_key_id_file,omitempty"`
	AccessKeySecretFile secret.File `yaml:"access_key_secret_file,omitempty"`
	SecurityTokenFile   secret.File `yaml:"security_token_file,omitempty"` // with temporary (STS) keys

	Profile string `yaml:"profile,omitempty"`  // a profile of the official CLI's configuration, instead of the whole chain
	ECSRole string `yaml:"ecs_role,omitempty"` // the RAM role of the ECS instance, instead of the whole chain
	URI     string `yaml:"uri,omitempty"`      // a credentials URI, instead of the whole chain

	RoleARN         string `yaml:"role_arn,omitempty"`          // a RAM role to assume: acs:ram::<account>:role/<name>
	RoleSessionName string `yaml:"role_session_name,omitempty"` // default packseal
	ExternalID      string `yaml:"external_id,omitempty"`
}
