package oss

import (
	"cmp"
	"fmt"
	"net"
	"regexp"
	"strings"

	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
	"packseal.example/internal/units"
	"packseal.example/sink/bucket"
)

// Options are the `oss` entry of a sink in the configuration file. A zero field
// means its default.
type Options struct {
	Region    string `yaml:"region"`               // such as cn-shanghai; required
	Bucket    string `yaml:"bucket"`               // required; it must exist
	Prefix    string `yaml:"prefix,omitempty"`     // of all keys; default none
	Internal  bool   `yaml:"internal,omitempty"`   // the region's endpoint within Alibaba Cloud, instead of the public one
	Endpoint  string `yaml:"endpoint,omitempty"`   // another one, without the bucket: of a finance or government cloud, or a domain of one's own; default: that of the region
	CName     bool   `yaml:"cname,omitempty"`      // endpoint is a domain of the bucket's own
	AllowHTTP bool   `yaml:"allow_http,omitempty"` // permit an http:// endpoint that is not on a loopback address
	CAFile    string `yaml:"ca_file,omitempty"`    // PEM certificates to trust in addition to the system's

	Credentials *ram.Credentials `yaml:"credentials,omitempty"` // default: the Alibaba Cloud SDK credential chain (environment, OIDC, profile, ECS role, URI)

	// Overwrite is "forbid" (the default: OSS itself keeps objects from being
	// replaced, in a bucket that never had versioning) or "off" (a weaker mode, also
	// for buckets with versioning: check the key, write, check again; of two writers
	// that race for a key, the second may take the first one's place).
	Overwrite string `yaml:"overwrite,omitempty"`

	SSE        *SSE        `yaml:"sse,omitempty"`         // default: as the bucket is configured
	BucketWorm *BucketWorm `yaml:"bucket_worm,omitempty"` // default: none is required
	ObjectLock *ObjectLock `yaml:"object_lock,omitempty"` // default: none; only with overwrite "off"

	MultipartThreshold units.Size `yaml:"multipart_threshold,omitempty"` // larger objects are written in parts; default 64 MiB
	PartSize           units.Size `yaml:"part_size,omitempty"`           // at least 100 KiB; default 16 MiB
}

// SSE is server-side encryption.
type SSE struct {
	Type     string `yaml:"type"`                 // "AES256", "KMS" or "SM4"
	KMSKeyID string `yaml:"kms_key_id,omitempty"` // with KMS; default OSS's own key of the account
}

// BucketWorm is the retention policy that the bucket must have. It is read back, not
// set.
type BucketWorm struct {
	Days int `yaml:"days"` // locked, for at least so long; from 1 to 25550
}

// ObjectLock is the retention in mode COMPLIANCE (ObjectWorm) that each object gets
// after it is written.
type ObjectLock struct {
	Days   int `yaml:"days"`             // from the time of writing; at least 1
	Extend int `yaml:"extend,omitempty"` // a lock that ends within so many days is extended to days from then, until retention.keep is over; less than days; default 0 = never
}

// The limits on parts and on objects written in one request are those of OSS.
const (
	minPart          = 100 << 10
	maxSingle        = 5 << 30
	maxParts         = 10_000
	defaultPart      = 16 << 20
	defaultThreshold = 64 << 20
	maxDays          = 25550
)

// The values of Overwrite.
const (
	overwriteForbid = "forbid"
	overwriteOff    = "off"
)

var (
	regionPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{1,40}$`)
	bucketPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	hostPattern   = regexp.MustCompile(`^(s3\.)?oss-(.+?)(-internal)?\.aliyuncs\.com$`)
)

// Weaker implements [sink.Weakener].
func (o *Options) Weaker() string {
	if o.Overwrite == overwriteOff {
		return "overwrite: off"
	}
	return ""
}

// Check implements [sink.Opener].
func (o *Options) Check() []fault.Problem {
	var ps fault.Problems
	ps.Require(o.Region != "", "region", "missing", "the bucket's region, such as cn-shanghai")
	if region, ok := strings.CutPrefix(o.Region, "oss-"); ok {
		ps.Require(false, "region", fmt.Sprintf("%.64q is the name of an endpoint", o.Region), fmt.Sprintf("the region is %.64q", region))
	} else {
		ps.Require(o.Region == "" || regionPattern.MatchString(o.Region), "region", fmt.Sprintf("%.64q is not a region", o.Region), "such as cn-shanghai")
	}
	ps.Require(o.Bucket != "", "bucket", "missing", "the bucket must exist; packseal does not create it")
	ps.Require(o.Bucket == "" || bucketPattern.MatchString(o.Bucket), "bucket", fmt.Sprintf("%.64q is not a bucket name", o.Bucket), "the name only: 3 to 63 of a-z 0-9 and dashes; prefix is for keys")
	bucket.CheckPrefix(&ps, o.Prefix)
	o.checkEndpoint(&ps)
	ps = append(ps, egress.CheckCA("ca_file", o.CAFile)...)
	ps = append(ps, o.Credentials.Check()...)
	o.checkWriteOnce(&ps)
	o.checkStorage(&ps)
	return ps
}

func (o *Options) checkEndpoint(ps *fault.Problems) {
	ps.Require(!o.CName || o.Endpoint != "", "cname", "set without endpoint", "name the bucket's own domain as endpoint")
	ps.Require(!o.Internal || o.Endpoint == "", "internal", "set together with endpoint", "keep one of them")
	u := bucket.Endpoint{URL: o.Endpoint, Bucket: o.Bucket, InPath: o.CName, AllowHTTP: o.AllowHTTP, Example: "https://oss-cn-shanghai-finance-1.aliyuncs.com"}.Check(ps)
	if u == nil {
		return
	}
	host := strings.ToLower(u.Hostname())
	ps.Require(!o.CName || net.ParseIP(host) == nil, "cname", "an address is not a domain of the bucket's own", "remove it")
	known := hostPattern.FindStringSubmatch(host)
	switch {
	case known == nil:
	case known[1] != "":
		ps.Require(false, "endpoint", "that is the endpoint of the S3 protocol", "leave it out, or use "+u.Scheme+"://"+strings.TrimPrefix(host, "s3."))
	case o.CName:
		ps.Require(false, "cname", "the endpoint is one of OSS, not a domain of the bucket's own", "remove it")
	case o.Region != "" && known[2] != o.Region && !strings.HasPrefix(known[2], "accelerate"): // some clouds name them otherwise
		*ps = append(*ps, fault.Problem{Path: "region", Warning: true, Message: fmt.Sprintf("%.64q, and the endpoint's name has %.64q", o.Region, known[2]), Hint: "requests are signed for the region: leave endpoint out for the region's own"})
	}
}

func (o *Options) checkWriteOnce(ps *fault.Problems) {
	bucket.CheckWord(ps, "overwrite", cmp.Or(o.Overwrite, overwriteForbid), overwriteForbid, overwriteOff)
	if o.BucketWorm != nil {
		bucket.CheckDays(ps, "bucket_worm.days", o.BucketWorm.Days, maxDays)
	}
	if o.ObjectLock != nil {
		bucket.CheckDays(ps, "object_lock.days", o.ObjectLock.Days, maxDays)
		bucket.CheckExtend(ps, "object_lock.extend", o.ObjectLock.Extend, o.ObjectLock.Days)
		ps.Require(o.Overwrite == overwriteOff, "object_lock", "OSS locks objects in buckets with versioning only, where it does not keep them from being replaced",
			"use a bucket without versioning and bucket_worm, or accept the weaker mode with overwrite: off")
	}
}

func (o *Options) checkStorage(ps *fault.Problems) {
	if o.SSE != nil {
		bucket.CheckWord(ps, "sse.type", o.SSE.Type, "AES256", "KMS", "SM4")
		ps.Require(o.SSE.KMSKeyID == "" || o.SSE.Type == "KMS", "sse.kms_key_id", "set without KMS", "set type: KMS")
	}
	ps.Require(o.MultipartThreshold >= 0 && o.MultipartThreshold <= maxSingle, "multipart_threshold", o.MultipartThreshold.String(), "at most 5 GiB, the limit of a single write")
	ps.Require(o.PartSize == 0 || o.PartSize >= minPart && o.PartSize <= maxSingle, "part_size", o.PartSize.String(), "from 100 KiB to 5 GiB")
}
