package sim

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// apiVersion is the supported version of the API.
const apiVersion = "2020-09-07"

// maxForm is the size limit of a call's body, in bytes.
const maxForm = 1 << 20

// call is an API call, parsed from an HTTP request.
type call struct {
	r      *http.Request
	body   []byte
	params url.Values // of query and form: the gateway accepts them in either
	acs3   bool       // signed by header; otherwise by parameter (RPC V1)
}

// readCall parses the request.
func readCall(r *http.Request) (*call, *refusal) {
	c := &call{r: r, params: url.Values{}}
	defer c.detectSignature()
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return c, refuse("UnsupportedHTTPMethod", "This HTTP method is not supported.")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return c, refuse("InvalidParameter", "The query can't be parsed.")
	}
	c.merge(query)
	if r.Body == nil {
		return c, nil
	}
	if c.body, err = io.ReadAll(io.LimitReader(r.Body, maxForm)); err != nil {
		return c, refuse("InvalidParameter", "The body can't be read.")
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(c.body))
		if err != nil {
			return c, refuse("InvalidParameter", "The form can't be parsed.")
		}
		c.merge(form)
	}
	return c, nil
}

// detectSignature sets acs3. Clients that sign by parameter may also send headers
// of ACS3, but never Authorization.
func (c *call) detectSignature() {
	h := c.r.Header
	c.acs3 = h.Get("Authorization") != "" || h.Get("x-acs-action") != "" && !c.params.Has("Signature")
}

func (c *call) merge(more url.Values) {
	for k, v := range more {
		c.params[k] = append(c.params[k], v...)
	}
}

// field returns a header of ACS3, or the equivalent parameter of RPC V1.
func (c *call) field(header, parameter string) string {
	if c.acs3 {
		return c.r.Header.Get(header)
	}
	return c.params.Get(parameter)
}

func (c *call) action() string  { return c.field("x-acs-action", "Action") }
func (c *call) version() string { return c.field("x-acs-version", "Version") }
func (c *call) nonce() string   { return c.field("x-acs-signature-nonce", "SignatureNonce") }
func (c *call) token() string   { return c.field("x-acs-security-token", "SecurityToken") }

// wantsJSON reports whether the response is to be JSON, rather than XML.
func (c *call) wantsJSON() bool {
	if c.acs3 {
		return strings.Contains(c.r.Header.Get("Accept"), "application/json")
	}
	return strings.EqualFold(c.params.Get("Format"), "JSON")
}
