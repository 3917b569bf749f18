package fetcher

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// stamp is how both OSS V4 and S3 V4 links write the time they were signed,
// and how the spool names a slot's due time: UTC, whole seconds.
const stamp = "20060102T150405Z"

// Expiry returns when the link stops working, by the clock of the store that
// it points to, and whether the link says so. It reads the five forms in use
// (parameter names in any case):
//
//	OSS V1, S3 V2  Expires=<unix s>
//	OSS V2         x-oss-signature-version=OSS2, x-oss-expires=<unix s>
//	OSS V4         x-oss-date=<stamp>, x-oss-expires=<s after that>
//	S3 V4          X-Amz-Date=<stamp>, X-Amz-Expires=<s after that>
func (u SecretURL) Expiry() (time.Time, bool) {
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
	if at, ok := seconds(q["expires"]); ok {
		return time.Unix(at, 0).UTC(), true
	}
	return time.Time{}, false
}

// maxLife bounds a link's life, in seconds, far over what any store grants,
// so that the arithmetic on it can't overflow; nor may its date be before 1970.
const maxLife = 10 * 365 * 24 * 3600

// seconds reads a count of seconds, or a unix time, of a plausible size.
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
