package sim

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stamp is how the V4 forms write a time.
const stamp = "20060102T150405Z"

// bucket is the store's side of the links: the temporary key that signs them.
// It follows from the secret of the API, so that links outlive a restart, and
// tells nothing about it.
type bucket struct {
	name, region         string
	keyID, secret, token string
}

func newBucket(apiSecret string) bucket {
	derive := func(what string) string {
		return hex.EncodeToString(hmacSHA256([]byte(apiSecret), "bucket "+what))
	}
	return bucket{
		name: "config-reports", region: "cn-shanghai",
		keyID: "STS." + derive("id")[:24], secret: derive("secret"), token: "CAIS" + derive("token"),
	}
}

// link signs a new link to the report, in the form that its pack's script
// asks for.
func (s *Server) link(q *request, p *pack, r *report) string {
	base := s.base(q.r)
	target := signedRequest{method: http.MethodGet, host: base.Host, path: "/oss/" + r.path(), query: url.Values{}}
	now := q.now.UTC()
	s.bucket.dress(target.query, p.Script.Link, now, p.Script.LinkLife)
	sum := s.bucket.sign(p.Script.Link, target)
	target.query.Set(p.Script.Link.parameter("signature"), sum)
	p.handOut(sum)
	base.Path, base.RawQuery = strings.TrimSuffix(base.Path, "/")+target.path, target.query.Encode()
	return base.String()
}

// base is what links begin with.
func (s *Server) base(r *http.Request) *url.URL {
	if s.opt.PublicURL != "" {
		if u, err := url.Parse(s.opt.PublicURL); err == nil {
			return u
		}
	}
	u := &url.URL{Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return u
}

// dress puts the parameters that are signed into a link's query. The older two
// forms say when the link ends, the newer two when it was signed and how long
// it lives; all carry the token of the temporary key that signed them:
//
//	V1  Expires=<unix s>      OSSAccessKeyId             Signature        HMAC-SHA1
//	V2  x-oss-expires=<unix>  x-oss-access-key-id        x-oss-signature  HMAC-SHA256
//	V4  x-oss-date + -expires x-oss-credential           x-oss-signature  key of the day
//	S3  X-Amz-Date + -Expires X-Amz-Credential           X-Amz-Signature  key of the day
func (b bucket) dress(q url.Values, form LinkForm, now time.Time, life time.Duration) {
	seconds := strconv.FormatInt(int64(life.Seconds()), 10)
	until := strconv.FormatInt(now.Add(life).Unix(), 10)
	credential := b.keyID + "/" + b.scope(form, now.Format("20060102"))
	set := func(kv ...string) {
		for pair := range slices.Chunk(kv, 2) {
			q.Set(pair[0], pair[1])
		}
	}
	switch form {
	case V1:
		set("OSSAccessKeyId", b.keyID, "Expires", until, "security-token", b.token)
	case V2:
		set("x-oss-signature-version", "OSS2", "x-oss-access-key-id", b.keyID, "x-oss-expires", until, "security-token", b.token)
	case V4:
		set("x-oss-signature-version", "OSS4-HMAC-SHA256", "x-oss-credential", credential, "x-oss-date", now.Format(stamp),
			"x-oss-expires", seconds, "x-oss-security-token", b.token)
	case S3:
		set("X-Amz-Algorithm", "AWS4-HMAC-SHA256", "X-Amz-Credential", credential, "X-Amz-Date", now.Format(stamp),
			"X-Amz-Expires", seconds, "X-Amz-Security-Token", b.token, "X-Amz-SignedHeaders", "host")
	}
}

// parameter is the name of a link's parameter in that form.
func (f LinkForm) parameter(what string) string {
	names := map[LinkForm]map[string]string{
		V1: {"signature": "Signature", "key": "OSSAccessKeyId", "expires": "Expires"},
		V2: {"signature": "x-oss-signature", "key": "x-oss-access-key-id", "expires": "x-oss-expires"},
		V4: {"signature": "x-oss-signature", "key": "x-oss-credential", "expires": "x-oss-expires", "date": "x-oss-date"},
		S3: {"signature": "X-Amz-Signature", "key": "X-Amz-Credential", "expires": "X-Amz-Expires", "date": "X-Amz-Date"},
	}
	return names[f][what]
}

func (f LinkForm) known() bool { return f.parameter("signature") != "" }

// formOf tells the form of the link that a query belongs to, by the name of its
// signature. V2 and V4 share that name, and differ in their version.
func formOf(q url.Values) (LinkForm, bool) {
	for _, f := range []LinkForm{V1, S3, V2, V4} {
		if q.Get(f.parameter("signature")) != "" {
			if f == V2 && strings.HasPrefix(q.Get("x-oss-signature-version"), "OSS4") {
				continue
			}
			return f, true
		}
	}
	return "", false
}

// expiry is when the link of that form ends. A life of over a week is cut, so
// that no number in a link can make the sum overflow.
func (f LinkForm) expiry(q url.Values) (time.Time, bool) {
	n, err := strconv.ParseInt(q.Get(f.parameter("expires")), 10, 64)
	if err != nil || n < 0 {
		return time.Time{}, false
	}
	if f == V1 || f == V2 {
		return time.Unix(n, 0).UTC(), true
	}
	from, err := time.Parse(stamp, q.Get(f.parameter("date")))
	return from.Add(time.Duration(min(n, 7*24*3600)) * time.Second), err == nil
}

// signedRequest is what a link's signature covers.
type signedRequest struct {
	method, host, path string
	query              url.Values // without the signature
	header             http.Header
}

// sign returns the signature of a request in that form. V1, V2 and V4 follow
// OSS's algorithms and S3 follows AWS's, to the letter for a GET and HEAD of
// an object: the tests hold them against signatures of the vendors' SDKs.
func (b bucket) sign(form LinkForm, r signedRequest) string {
	switch form {
	case V1:
		m := hmac.New(sha1.New, []byte(b.secret))
		m.Write([]byte(b.v1StringToSign(r)))
		return base64.StdEncoding.EncodeToString(m.Sum(nil))
	case V2:
		return base64.StdEncoding.EncodeToString(hmacSHA256([]byte(b.secret), b.v2StringToSign(r)))
	}
	date := r.query.Get(form.parameter("date"))
	day := date[:min(len(date), 8)]
	toSign := strings.Join([]string{
		cmp.Or(map[LinkForm]string{V4: "OSS4-HMAC-SHA256"}[form], "AWS4-HMAC-SHA256"),
		date, b.scope(form, day), hexSHA256([]byte(b.v4Canonical(form, r))),
	}, "\n")
	return hex.EncodeToString(hmacSHA256(b.dayKey(form, day), toSign))
}
