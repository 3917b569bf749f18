// Package s3 keeps evidence in a bucket of S3-compatible storage.
package s3

import (
	"packseal.example/internal/secret"
)

// Options are the `s3` entry of a sink in the configuration file. A zero
// field means its default.
type Options struct {
	Endpoint  string `yaml:"endpoint,omitempty"`   // default: AWS S3 of the region
	AllowHTTP bool   `yaml:"allow_http,omitempty"` // permit an http:// endpoint that is not on a loopback address
	CAFile    string `yaml:"ca_file,omitempty"`    // PEM certificates to trust besides the system's
	Region    string `yaml:"region"`               // required; "us-east-1" where the store does not care
	Bucket    string `yaml:"bucket"`               // required; it must exist
	Prefix    string `yaml:"prefix,omitempty"`     // what all keys begin with; default none
	PathStyle bool   `yaml:"path_style,omitempty"` // the bucket in the path (MinIO, versitygw) and not in the host name (AWS, OSS)

	AccessKeyIDFile     secret.File `yaml:"access_key_id_file,omitempty"` // default: AWS's own chain (environment, profile, web identity, instance role)
	SecretAccessKeyFile secret.File `yaml:"secret_access_key_file,omitempty"`
	SessionTokenFile    secret.File `yaml:"session_token_file,omitempty"`
	Profile             string      `yaml:"profile,omitempty"` // a profile of AWS's shared configuration

	// ConditionalWrites is "required" (the default: a store that does not
	// honour If-None-Match is refused) or "off" (the stated weaker mode: look,
	// write, look again; two writers racing for one key are not kept apart).
	ConditionalWrites string `yaml:"conditional_writes,omitempty"`

	SSE        *SSE        `yaml:"sse,omitempty"`         // default: what the bucket does by itself
	ObjectLock *ObjectLock `yaml:"object_lock,omitempty"` // default: what the bucket does by itself

	MultipartThreshold int64 `yaml:"multipart_threshold,omitempty"` // larger objects are written in parts; bytes; default 64 MiB
	PartSize           int64 `yaml:"part_size,omitempty"`           // bytes; default 16 MiB, at least 5 MiB
}

// SSE is encryption by the store.
type SSE struct {
	Type     string `yaml:"type"`                 // "AES256" or "aws:kms"
	KMSKeyID string `yaml:"kms_key_id,omitempty"` // with aws:kms; default the account's own key
}

// ObjectLock is retention by the store, on each object.
type ObjectLock struct {
	Mode string `yaml:"mode"` // "GOVERNANCE" or "COMPLIANCE"
	Days int    `yaml:"days"` // from the time of writing; at least 1
}
