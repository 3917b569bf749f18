package s3

import (
	"cmp"
	"fmt"
	"net"
	"strings"

	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/internal/units"
	"packseal.example/sink/bucket"
)

// Options are the `s3` entry of a sink in the configuration file. A zero
// field means its default.
type Options struct {
	Endpoint  string `yaml:"endpoint,omitempty"`   // default: AWS S3 of the region
	AllowHTTP bool   `yaml:"allow_http,omitempty"` // permit an http:// endpoint that is not on a loopback address
	CAFile    string `yaml:"ca_file,omitempty"`    // PEM certificates to trust in addition to the system's
	Region    string `yaml:"region"`               // required; "us-east-1" if the store does not care
	Bucket    string `yaml:"bucket"`               // required; it must exist
	Prefix    string `yaml:"prefix,omitempty"`     // of all keys; default none
	PathStyle bool   `yaml:"path_style,omitempty"` // put the bucket in the path (MinIO, versitygw), not in the host name (AWS, OSS)

	AccessKeyIDFile     secret.File `yaml:"access_key_id_file,omitempty"` // default: the AWS default credential chain (environment, profile, web identity, instance role)
	SecretAccessKeyFile secret.File `yaml:"secret_access_key_file,omitempty"`
	SessionTokenFile    secret.File `yaml:"session_token_file,omitempty"`
	Profile             string      `yaml:"profile,omitempty"` // a profile of the AWS shared configuration files

	// ConditionalWrites is "required" (the default: a store that does not
	// support If-None-Match is refused) or "off" (a weaker mode: check the key,
	// write, check again; two writers that race for a key may overwrite each other).
	ConditionalWrites string `yaml:"conditional_writes,omitempty"`

	SSE        *SSE        `yaml:"sse,omitempty"`         // default: as the bucket is configured
	ObjectLock *ObjectLock `yaml:"object_lock,omitempty"` // default: as the bucket is configured

	MultipartThreshold units.Size `yaml:"multipart_threshold,omitempty"` // larger objects are written in parts; default 64 MiB
	PartSize           units.Size `yaml:"part_size,omitempty"`           // at least 5 MiB; default 16 MiB
}

// SSE is server-side encryption.
type SSE struct {
	Type     string `yaml:"type"`                 // "AES256" or "aws:kms"
	KMSKeyID string `yaml:"kms_key_id,omitempty"` // with aws:kms; default the key of the account
}

// ObjectLock is the retention that the store applies to each object.
type ObjectLock struct {
	Mode   string `yaml:"mode"`             // "GOVERNANCE" or "COMPLIANCE"
	Days   int    `yaml:"days"`             // from the time of writing; at least 1
	Extend int    `yaml:"extend,omitempty"` // a lock that ends within so many days is extended to days from then, until retention.keep is over; less than days; default 0 = never
}

// The limits on parts and on objects written in one request are those of S3.
const (
	minPart          = 5 << 20
	maxSingle        = 5 << 30
	maxParts         = 10_000
	defaultPart      = 16 << 20
	defaultThreshold = 64 << 20
)

// The values of ConditionalWrites.
const (
	conditionalRequired = "required"
	conditionalOff      = "off"
)

// Weaker implements [sink.Weakener].
func (o *Options) Weaker() string {
	if o.ConditionalWrites == conditionalOff {
		return "conditional_writes: off"
	}
	return ""
}

// Check implements [sink.Opener].
func (o *Options) Check() []fault.Problem {
	var ps fault.Problems
	ps.Require(o.Region != "", "region", "missing", `the bucket's region; "us-east-1" if the store does not care`)
	ps.Require(o.Bucket != "", "bucket", "missing", "the bucket must exist; packseal does not create it")
	ps.Require(!strings.ContainsAny(o.Bucket, "/\\?#@: "), "bucket", fmt.Sprintf("%.64q is not a bucket name", o.Bucket), "the name only; prefix is for keys")
	bucket.CheckPrefix(&ps, o.Prefix)
	o.checkEndpoint(&ps)
	ps = append(ps, egress.CheckCA("ca_file", o.CAFile)...)
	o.checkCredentials(&ps)
	o.checkStorage(&ps)
	return ps
}

func (o *Options) checkEndpoint(ps *fault.Problems) {
	u := bucket.Endpoint{URL: o.Endpoint, Bucket: o.Bucket, InPath: o.PathStyle, AllowHTTP: o.AllowHTTP, Example: "https://s3.eu-central-1.amazonaws.com"}.Check(ps)
	ps.Require(u == nil || net.ParseIP(u.Hostname()) == nil || o.PathStyle, "path_style", "the bucket cannot be part of a host name that is an IP address", "set path_style: true")
}

func (o *Options) checkCredentials(ps *fault.Problems) {
	id, key, token := o.AccessKeyIDFile, o.SecretAccessKeyFile, o.SessionTokenFile
	ps.Require(id == "" || key != "", "secret_access_key_file", "missing: access_key_id_file is set", "")
	ps.Require(key == "" || id != "", "access_key_id_file", "missing: secret_access_key_file is set", "")
	ps.Require(token == "" || id != "" || key != "", "session_token_file", "set without access_key_id_file", "temporary credentials also have an access key ID and a secret access key")
	ps.Require(o.Profile == "" || id == "" && key == "", "profile", "set together with access key files", "keep one of them")
	*ps = append(*ps, id.Check("access_key_id_file")...)
	*ps = append(*ps, key.Check("secret_access_key_file")...)
	*ps = append(*ps, token.Check("session_token_file")...)
}

func (o *Options) checkStorage(ps *fault.Problems) {
	bucket.CheckWord(ps, "conditional_writes", cmp.Or(o.ConditionalWrites, conditionalRequired), conditionalRequired, conditionalOff)
	if o.SSE != nil {
		bucket.CheckWord(ps, "sse.type", o.SSE.Type, "AES256", "aws:kms")
		ps.Require(o.SSE.KMSKeyID == "" || o.SSE.Type == "aws:kms", "sse.kms_key_id", "set without aws:kms", "set type: aws:kms")
	}
	if o.ObjectLock != nil {
		bucket.CheckWord(ps, "object_lock.mode", o.ObjectLock.Mode, "GOVERNANCE", "COMPLIANCE")
		bucket.CheckDays(ps, "object_lock.days", o.ObjectLock.Days, 36500)
		bucket.CheckExtend(ps, "object_lock.extend", o.ObjectLock.Extend, o.ObjectLock.Days)
	}
	ps.Require(o.MultipartThreshold >= 0 && o.MultipartThreshold <= maxSingle, "multipart_threshold", o.MultipartThreshold.String(), "at most 5 GiB, the limit of a single write")
	ps.Require(o.PartSize == 0 || o.PartSize >= minPart && o.PartSize <= maxSingle, "part_size", o.PartSize.String(), "from 5 MiB to 5 GiB")
}
