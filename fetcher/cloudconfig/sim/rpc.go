package sim

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"net/url"
)

// rpcRequired are the parameters of a call that is signed by parameter.
var rpcRequired = []string{
	"Action", "Version", "AccessKeyId", "Timestamp", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Signature",
}

// readRPC reads a signature of the older kind, HMAC-SHA1 over all parameters,
// which stand in the query or in a form.
func (s *Server) readRPC(c *call) (signature, *refusal) {
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
		expected: hmacSHA1(s.user.Load().secret+"&", toSign),
		signed:   toSign,
	}, nil
}

// rpcStringToSign is the method, the path and every parameter but the
// signature, each encoded once more:
//
//	GET&%2F&AccessKeyId%3D…%26Action%3D…%26Timestamp%3D2026-01-01T00%253A00%253A00Z
//
// so that a colon in a value ends up encoded twice. The key of the HMAC is the
// secret with an "&" after it.
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
