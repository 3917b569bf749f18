package ossfake

import (
	"encoding/json"
	"net/http"
	"path"
	"strings"
)

// Statement is a statement of a RAM policy that allows something.
type Statement struct {
	Actions, Resources []string // patterns
}

// Policy reads a RAM policy whose statements all allow something, on no condition.
func Policy(document string) (all []Statement, err error) {
	var p struct {
		Statement []struct {
			Action, Resource list
		}
	}
	err = json.Unmarshal([]byte(document), &p)
	for _, s := range p.Statement {
		all = append(all, Statement{s.Action, s.Resource})
	}
	return all, err
}

// list is a string or a list of them.
type list []string

// UnmarshalJSON implements [json.Unmarshaler].
func (l *list) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// actions are the actions that operations need, where they are not named alike.
var actions = map[string]string{
	"HeadObject": "GetObject", "InitiateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject",
	"ListObjectsV2": "ListObjects",
}

// allowed reports whether the key of the request is allowed the operation, and
// answers if it is not. Who may not list is not told that an object does not exist.
func (c *call) allowed() bool {
	s, _ := parseSignature(c.Request)
	granted := c.Keys[s.scope[0]].Allow
	op := c.operation()
	action, ok := actions[op]
	if !ok {
		action = op
	}
	if granted == nil || may(granted, action, c.resource()) {
		b := c.buckets[c.bucket]
		missing := b != nil && action == "GetObject" && b.Latest(c.key) == nil
		if granted == nil || !missing || may(granted, "ListObjects", "acs:oss:*:*:"+c.bucket) {
			return true
		}
	}
	c.fail(http.StatusForbidden, denied.because("You have no right to access this object because of ram policy."))
	return false
}

// resource returns what the request is about.
func (c *call) resource() string {
	if c.key == "" {
		return "acs:oss:*:*:" + c.bucket
	}
	return "acs:oss:*:*:" + c.bucket + "/" + c.key
}

// may reports whether a statement allows the action on the resource.
func may(granted []Statement, action, resource string) bool {
	for _, s := range granted {
		if matches(s.Actions, "oss:"+action) && matches(s.Resources, resource) {
			return true
		}
	}
	return false
}

// matches reports whether a pattern, in which * is any text, matches.
func matches(patterns []string, s string) bool {
	for _, p := range patterns {
		// path.Match stops at slashes, and * in s is text.
		plain := strings.NewReplacer("/", "|", "[", "(", "]", ")", "\\", "")
		if ok, err := path.Match(plain.Replace(p), plain.Replace(s)); ok && err == nil {
			return true
		}
	}
	return false
}
