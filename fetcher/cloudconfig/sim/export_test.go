package sim

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// HexSHA256 returns the SHA-256 of a body.
var HexSHA256 = hexSHA256

// SignACS3 signs a call like a client, with the implementation of the server. That
// is checked by the published example and the vendor's clients.
func SignACS3(r *http.Request, keyID, secret string) {
	names := []string{"host"}
	for k := range r.Header {
		if k = strings.ToLower(k); k == "content-type" || strings.HasPrefix(k, "x-acs-") {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	canonical := canonicalRequest(r, names, r.Header.Get("x-acs-content-sha256"))
	sum := hex.EncodeToString(hmacSHA256([]byte(secret), acs3+"\n"+hexSHA256([]byte(canonical))))
	r.Header.Set("Authorization", acs3+" Credential="+keyID+",SignedHeaders="+strings.Join(names, ";")+",Signature="+sum)
}
