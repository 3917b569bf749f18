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

// stamp is the time format of the V4 forms.
const stamp = "20060102T150405Z"

// bucket is the bucket with the reports, and the temporary key that signs links to
// them. The key is derived from the API secret, so that links survive a restart,
// and does not reveal it.
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

// addParams adds the signed parameters to the query of a link. The older two forms
// have the expiry, the newer two the signing time and the lifetime; all have the
// token of the temporary key:
//
//	V1  Expires=<unix s>      OSSAccessKeyId             Signature        HMAC-SHA1
//	V2  x-oss-expires=<unix>  x-oss-access-key-id        x-oss-signature  HMAC-SHA256
//	V4  x-oss-date + -expires x-oss-credential           x-oss-signature  key of the day
//	S3  X-Amz-Date + -Expires X-Amz-Credential           X-Amz-Signature  key of the day
func (b bucket) addParams(q url.Values, form LinkForm, now time.Time, life time.Duration) {
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

// parameter returns the name of a parameter in that form.
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

// formOf detects the form of a link by the name of its signature parameter, which
// is the same in V2 and V4, and by the version.
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

// expiry returns when a link of that form expires. The lifetime is limited to a
// week, so that the sum cannot overflow.
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

// signedRequest is what the signature of a link covers.
type signedRequest struct {
	method, host, path string
	query              url.Values // without the signature
	header             http.Header
}

// sign returns the signature of a request in that form, by the algorithms of OSS
// (V1, V2 and V4) and AWS (S3) for GET and HEAD of an object. Tests compare it with
// signatures of the vendors' SDKs.
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
