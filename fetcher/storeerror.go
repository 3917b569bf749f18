package fetcher

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// storeError is the body of an error response of OSS or S3.
type storeError struct {
	XMLName   xml.Name `xml:"Error" json:"-"`
	Code      string
	Message   string
	RequestID string `xml:"RequestId"`
	EC        string // a more specific code, in OSS
}

// parseStoreError parses an error body, in XML or JSON; ok is false if body is
// none. It removes values of the link's query that the error quotes.
func parseStoreError(body []byte, link url.Values) (e storeError, ok bool) {
	if xml.Unmarshal(body, &e) != nil && json.Unmarshal(body, &e) != nil || e.Code == "" {
		return storeError{}, false
	}
	// Remove control characters first, lest that joins parts of a value.
	for _, field := range []*string{&e.Code, &e.Message, &e.RequestID, &e.EC} {
		*field = secret.OneLine(*field, len(*field))
		for _, values := range link {
			for _, v := range values {
				if len(v) >= minSecret {
					*field = strings.NewReplacer(v, "…", url.QueryEscape(v), "…").Replace(*field)
				}
			}
		}
	}
	e.Message = secret.Quote(e.Message, 200)
	e.Code, e.RequestID, e.EC = secret.OneLine(e.Code, 80), secret.OneLine(e.RequestID, 80), secret.OneLine(e.EC, 80)
	return e, e.Code != ""
}

// minSecret is the least length of a query value that may be a secret. Shorter
// ones, such as a number of seconds, may occur in any message.
const minSecret = 12

// expired reports whether a new link would help: the link, its token or its
// temporary key has expired.
func (e storeError) expired() bool {
	switch e.Code {
	case "SecurityTokenExpired", "InvalidAccessKeyId", "ExpiredToken":
		return true
	case "AccessDenied":
		return strings.Contains(strings.ToLower(e.Message), "expired")
	}
	return false
}

// String returns code, message, request ID and EC for an error message.
func (e storeError) String() string {
	s := e.Code
	if e.Message != "" {
		s += ": " + e.Message
	}
	for _, id := range []string{e.RequestID, e.EC} {
		if id != "" {
			s += ", " + id
		}
	}
	return s
}

// refusal returns the classified error for a response other than 200.
func refusal(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // a partial body will do
	e, _ := parseStoreError(body, resp.Request.URL.Query())
	message := fmt.Sprintf("the store answered %d", resp.StatusCode)
	if e.Code != "" {
		message += " " + e.String()
	}
	switch {
	case e.expired():
		return fault.New(fault.LinkExpired, "%s", message)
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests:
		return fault.New(fault.Unavailable, "%s", message)
	}
	return fault.New(fault.LinkRefused, "%s", message)
}
