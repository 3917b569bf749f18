package fetcher

import (
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Link is where a finished report can be downloaded until the link expires.
type Link struct {
	URL       SecretURL
	Created   time.Time // when the report was generated, by the source's clock
	Account   string    // the account ID that the source reports, or empty
	Served    time.Time // when the source returned the link, by its own clock (the Date header), or zero if unknown
	RequestID string    // of the call that returned the link
	ReportID  string    // the source's ID of the report, or empty
}

// SecretURL is a signed link: whoever has it can read the report. It prints
// without its query.
type SecretURL string

// Reveal returns the whole link, for the request to it only.
func (u SecretURL) Reveal() string { return string(u) }

// String returns the link without its query, user and fragment.
func (u SecretURL) String() string {
	p, err := url.Parse(string(u))
	if err != nil {
		return "(unreadable link)"
	}
	p.User, p.RawQuery, p.ForceQuery, p.Fragment, p.RawFragment = nil, "", false, "", ""
	return strings.TrimSuffix(p.String(), "?")
}

// GoString returns String, quoted.
func (u SecretURL) GoString() string { return "fetcher.SecretURL(" + u.String() + ")" }

// LogValue redacts the link in logs.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText redacts the link in JSON and text encodings.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// stamp is the format of the signing time in OSS V4 and S3 V4 links.
const stamp = "20060102T150405Z"

// Expiry returns when the link expires, by the clock of the store; ok is false if
// the link does not say. It knows these forms, with parameter names in any case:
//
//	OSS V1, S3 V2  Expires=<unix s>
//	OSS V2         x-oss-signature-version=OSS2, x-oss-expires=<unix s>
//	OSS V4         x-oss-date=<stamp>, x-oss-expires=<s after that>
//	S3 V4          X-Amz-Date=<stamp>, X-Amz-Expires=<s after that>
func (u SecretURL) Expiry() (at time.Time, ok bool) {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return time.Time{}, false
	}
	q := lowerKeys(parsed.Query())
	for _, vendor := range []string{"x-oss-", "x-amz-"} {
		life, ok := seconds(q[vendor+"expires"])
		if !ok {
			continue
		}
		if strings.EqualFold(q["x-oss-signature-version"], "OSS2") {
			return time.Unix(life, 0).UTC(), true
		}
		if signed, err := time.Parse(stamp, q[vendor+"date"]); err == nil && signed.Unix() > 0 && life <= maxLife {
			return signed.Add(time.Duration(life) * time.Second), true
		}
	}
	if n, ok := seconds(q["expires"]); ok {
		return time.Unix(n, 0).UTC(), true
	}
	return time.Time{}, false
}

// maxLife is the longest lifetime of a link that is accepted, in seconds. It is
// far more than any store grants, and keeps the arithmetic from overflowing.
const maxLife = 10 * 365 * 24 * 3600

// seconds parses a plausible number of seconds, or a Unix time.
func seconds(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0 && n < 1<<40
}

func lowerKeys(q url.Values) map[string]string {
	m := make(map[string]string, len(q))
	for k, v := range q {
		m[strings.ToLower(k)] = v[0]
	}
	return m
}

// timedLink is a link and when it was received, by the local clock.
type timedLink struct {
	Link
	at time.Time
}

func received(l Link) timedLink { return timedLink{l, time.Now()} }

// remaining returns how long the link is still valid, by the source's clock since
// the local one may be off. ok is false if the link does not say.
func (l timedLink) remaining() (left time.Duration, ok bool) {
	expiry, ok := l.URL.Expiry()
	served := l.Served
	if served.IsZero() {
		served = l.at
	}
	return expiry.Sub(served) - time.Since(l.at), ok
}
