package sim

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"net/url"
)

// rpcRequired are the required parameters of a call with a signature parameter.
var rpcRequired = []string{
	"Action", "Version", "AccessKeyId", "Timestamp", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Signature",
}

// readRPC parses the older kind of signature: HMAC-SHA1 of all parameters, in the
// query or a form.
func (u *user) readRPC(c *call) (signature, *refusal) {
	for _, name := range rpcRequired {
		if c.params.Get(name) == "" {
			return signature{}, missing(name)
		}
	}
	if c.params.Get("SignatureMethod") != "HMAC-SHA1" || c.params.Get("SignatureVersion") != "1.0" {
		return signature{}, refuse("IncompleteSignature", "The request signature does not conform to Aliyun standards.")
	}
	toSign := rpcStringToSign(c.r.Method, c.params)
	return signature{
		keyID:    c.params.Get("AccessKeyId"),
		date:     c.params.Get("Timestamp"),
		given:    c.params.Get("Signature"),
		expected: hmacSHA1(u.secret+"&", toSign),
		signed:   toSign,
	}, nil
}

// rpcStringToSign returns method, path and all parameters but the signature, each
// encoded again:
//
//	GET&%2F&AccessKeyId%3D…%26Action%3D…%26Timestamp%3D2026-01-01T00%253A00%253A00Z
//
// A colon in a value is thus encoded twice. The key of the HMAC is the secret and
// "&".
func rpcStringToSign(method string, params url.Values) string {
	p := maps.Clone(params)
	delete(p, "Signature")
	return method + "&" + encode("/") + "&" + encode(canonicalQuery(p))
}

func hmacSHA1(key, data string) string {
	m := hmac.New(sha1.New, []byte(key))
	m.Write([]byte(data))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
