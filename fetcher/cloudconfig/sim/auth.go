package sim

import (
	"crypto/hmac"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxSkew is the largest accepted difference between the date of a call and the
// server's clock.
const maxSkew = 15 * time.Minute

// signature is the signature of a call, of either kind.
type signature struct {
	keyID    string
	date     string
	given    string
	expected string // by our secret
	signed   string // the string to sign, for the error message of a mismatch
}

// user is the only user, or a session of a role. It is immutable.
type user struct {
	keyID, secret, token string
	account              string    // the member account of a role; empty: the user's own
	until                time.Time // when a session ends; zero = never
}

// authenticate checks the call in the order of the gateway: missing parameters, the
// key, the date, the signature, the token, and last the nonce, which only a call
// with a valid signature uses up.
func (u *user) authenticate(c *call, now time.Time, used *nonces) *refusal {
	sign := u.readRPC
	if c.acs3 {
		sign = u.readACS3
	}
	got, refused := sign(c)
	if refused != nil {
		return refused
	}
	if got.keyID != u.keyID {
		return Failure{Code: "InvalidAccessKeyId.NotFound"}.worded("Specified access key is not found.")
	}
	date, err := time.Parse("2006-01-02T15:04:05Z", got.date)
	if err != nil {
		return refuse("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
	}
	if date.Sub(now).Abs() > maxSkew {
		return refuse("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
	}
	if !hmac.Equal([]byte(got.given), []byte(got.expected)) {
		return refuse("SignatureDoesNotMatch",
			"Specified signature is not matched with our calculation. server string to sign is:%s", u.redact(c, got.signed))
	}
	if c.token() != u.token {
		return refuse("InvalidSecurityToken.MismatchWithAccessKey", "The specified SecurityToken does not match the AccessKey.")
	}
	if !u.until.IsZero() && now.After(u.until) {
		return refuse("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
	}
	if !used.use(got.keyID+" "+c.nonce(), now) {
		return refuse("SignatureNonceUsed", "Specified signature nonce was used already.")
	}
	return nil
}

// redact removes tokens and the secret from the string to sign, where they may be
// plain, encoded, or encoded twice.
func (u *user) redact(c *call, signed string) string {
	for _, secret := range []string{c.token(), u.token, u.secret} {
		for range 3 {
			if secret != "" {
				signed = strings.ReplaceAll(signed, secret, "***")
			}
			secret = encode(secret)
		}
	}
	return signed
}

// encode escapes all but A-Za-z0-9-_.~, by RFC 3986.
func encode(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// canonicalQuery returns the parameters sorted and encoded.
func canonicalQuery(params url.Values) string {
	var b strings.Builder
	for _, k := range sortedKeys(params) {
		for _, v := range slices.Sorted(slices.Values(params[k])) {
			if b.Len() > 0 {
				b.WriteByte('&')
			}
			b.WriteString(encode(k) + "=" + encode(v))
		}
	}
	return b.String()
}
