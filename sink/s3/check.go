package s3

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// The bounds of parts and single writes are those of S3 itself.
const (
	minPart          = 5 << 20
	maxSingle        = 5 << 30
	maxParts         = 10_000
	defaultPart      = 16 << 20
	defaultThreshold = 64 << 20
)

// The values of ConditionalWrites.
const (
	writesRequired = "required"
	writesOff      = "off"
)

// checker gathers problems.
type checker struct {
	*Options
	problems []fault.Problem
}

// Check implements [sink.Opener].
func (o *Options) Check() []fault.Problem {
	k := &checker{Options: o}
	k.want(o.Region != "", "region", "missing", `the bucket's region; "us-east-1" where the store does not care`)
	k.want(o.Bucket != "", "bucket", "missing", "the bucket must exist; packseal makes none")
	k.want(!strings.ContainsAny(o.Bucket, "/\\?#@: "), "bucket", fmt.Sprintf("%.64q is not a bucket's name", o.Bucket), "the name alone: keys are put under prefix")
	if p := strings.Trim(o.Prefix, "/"); o.Prefix != "" {
		k.want(sink.CheckKey(p) == nil, "prefix", fmt.Sprintf("%.64q cannot begin a key", o.Prefix), "such as: packseal")
	}
	k.endpoint()
	k.problems = append(k.problems, egress.CheckCA("ca_file", k.CAFile)...)
	k.credentials()
	k.storing()
	return k.problems
}

// want records a problem unless ok.
func (k *checker) want(ok bool, path, message, hint string) {
	if !ok {
		k.problems = append(k.problems, fault.Problem{Path: path, Message: message, Hint: hint})
	}
}

func (k *checker) endpoint() {
	if k.Endpoint == "" {
		return
	}
	u, err := url.Parse(k.Endpoint)
	// The endpoint is not repeated: a careless one has a password in it.
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" ||
		strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		k.want(false, "endpoint", "not a URL of a scheme and a host", "such as https://s3.oss-cn-shanghai.aliyuncs.com, without bucket, path or user")
		return
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip.IsLoopback()
	k.want(u.Scheme == "https" || loopback || k.AllowHTTP, "endpoint", "http sends evidence in clear text", "use https, or set allow_http: true")
	k.want(ip == nil || k.PathStyle, "path_style", "the bucket cannot be put before an IP address", "set path_style: true")
}

func (k *checker) credentials() {
	id, key, token := k.AccessKeyIDFile, k.SecretAccessKeyFile, k.SessionTokenFile
	k.want(id == "" || key != "", "secret_access_key_file", "missing beside access_key_id_file", "")
	k.want(key == "" || id != "", "access_key_id_file", "missing beside secret_access_key_file", "")
	k.want(token == "" || id != "" || key != "", "session_token_file", "set without access_key_id_file", "temporary credentials have an ID and a key too")
	k.want(k.Profile == "" || id == "" && key == "", "profile", "set beside files of credentials", "keep one of the two")
	k.problems = append(k.problems, id.Check("access_key_id_file")...)
	k.problems = append(k.problems, key.Check("secret_access_key_file")...)
	k.problems = append(k.problems, token.Check("session_token_file")...)
}

func (k *checker) storing() {
	switch k.ConditionalWrites {
	case "", writesRequired, writesOff:
	default:
		k.want(false, "conditional_writes", fmt.Sprintf("%.64q is neither required nor off", k.ConditionalWrites), "leave it out")
	}
	if k.SSE != nil {
		k.want(k.SSE.Type == "AES256" || k.SSE.Type == "aws:kms", "sse.type", fmt.Sprintf("%.64q is neither AES256 nor aws:kms", k.SSE.Type), "")
		k.want(k.SSE.KMSKeyID == "" || k.SSE.Type == "aws:kms", "sse.kms_key_id", "a key of KMS without KMS", "set type: aws:kms")
	}
	if k.ObjectLock != nil {
		k.want(k.ObjectLock.Mode == "GOVERNANCE" || k.ObjectLock.Mode == "COMPLIANCE", "object_lock.mode", fmt.Sprintf("%.64q is neither GOVERNANCE nor COMPLIANCE", k.ObjectLock.Mode), "")
		k.want(k.ObjectLock.Days >= 1 && k.ObjectLock.Days <= 36500, "object_lock.days", fmt.Sprintf("%d days", k.ObjectLock.Days), "from 1 to 36500")
	}
	k.want(k.MultipartThreshold >= 0 && k.MultipartThreshold <= maxSingle, "multipart_threshold", fmt.Sprintf("%d bytes", k.MultipartThreshold), "at most 5 GiB, which is what one write can take")
	k.want(k.PartSize == 0 || k.PartSize >= minPart && k.PartSize <= maxSingle, "part_size", fmt.Sprintf("%d bytes", k.PartSize), "from 5 MiB to 5 GiB")
}
