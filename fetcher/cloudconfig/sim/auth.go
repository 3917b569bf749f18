package sim

import (
	"crypto/hmac"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxSkew is how far a call's date may be from the server's.
const maxSkew = 15 * time.Minute

// signature is what a call brings to prove who sent it, whichever way.
type signature struct {
	keyID    string
	date     string
	given    string
	expected string // by our secret
	signed   string // what the server signed, for the message of a mismatch
}

// user is who may call, as long as nobody else takes the place.
type user struct{ keyID, secret, token string }

// Rotate replaces the one user's keys: those before are unknown from now on.
// Reports, and links to them, stay what they are.
func (s *Server) Rotate(accessKeyID, accessKeySecret, securityToken string) {
	s.user.Store(&user{accessKeyID, accessKeySecret, securityToken})
}

// authenticate checks who sent the call, in the gateway's order: what is
// missing, the key, the date, the signature, the token, and last the nonce,
// which only a call signed well uses up.
func (s *Server) authenticate(c *call) *refusal {
	sign := s.readRPC
	if c.acs3 {
		sign = s.readACS3
	}
	got, refused := sign(c)
	if refused != nil {
		return refused
	}
	if got.keyID != s.user.Load().keyID {
		return Failure{Code: "InvalidAccessKeyId.NotFound"}.worded("Specified access key is not found.")
	}
	date, err := time.Parse("2006-01-02T15:04:05Z", got.date)
	if err != nil {
		return refuse("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
	}
	now := s.now()
	if date.Sub(now).Abs() > maxSkew {
		return refuse("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
	}
	if !hmac.Equal([]byte(got.given), []byte(got.expected)) {
		return refuse("SignatureDoesNotMatch",
			"Specified signature is not matched with our calculation. server string to sign is:%s", s.withoutSecrets(c, got.signed))
	}
	if c.token() != s.user.Load().token {
		return refuse("InvalidSecurityToken.MismatchWithAccessKey", "The specified SecurityToken does not match the AccessKey.")
	}
	if !s.nonces.use(got.keyID+" "+c.nonce(), now) {
		return refuse("SignatureNonceUsed", "Specified signature nonce was used already.")
	}
	return nil
}

// worded is the failure's refusal with a message of its own.
func (f Failure) worded(message string) *refusal {
	e := f.refusal()
	e.Message = message
	return e
}

// withoutSecrets takes tokens and the secret out of what the caller signed,
// wherever they got into it: as they are, encoded, or encoded twice.
func (s *Server) withoutSecrets(c *call, signed string) string {
	for _, mark := range []string{c.token(), s.user.Load().token, s.user.Load().secret} {
		for range 3 {
			if mark != "" {
				signed = strings.ReplaceAll(signed, mark, "***")
			}
			mark = encode(mark)
		}
	}
	return signed
}

// encode escapes s as RFC 3986 has it: all but A-Za-z0-9-_.~.
func encode(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// canonicalQuery writes the parameters in their order, encoded.
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
