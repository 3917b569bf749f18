// Package sim is a Config API that one can run: an [http.Handler] that is at
// once the API (path "/", version 2020-09-07, RPC style) and the OSS bucket
// (any other path) that finished reports are fetched from.
//
// It is a stranger to the client on purpose. It shares no type and no
// constant with it, verifies signatures, dates and nonces as strictly as the
// real service, and answers with the real errors, so that a fault of the
// client's can't hide in it. Beyond what is documented it does what
// [Script] tells it, pack by pack.
//
// Nothing runs in the background: what stands where follows from the time of
// each call, so it works in a synctest bubble as well as behind a listener.
package sim

import (
	"log/slog"
	"time"
)

// Options are what a simulator is made from.
type Options struct {
	AccessKeyID     string        // the one user's key; required
	AccessKeySecret string        // required
	SecurityToken   string        // when set, calls must carry it
	Packs           []Pack        // what there is
	RatePerSecond   float64       // calls a second before Throttling.User; 0 = no limit
	Skew            time.Duration // how far the simulated clock runs ahead of the real one
	PublicURL       string        // what links begin with; default: scheme and host of the request
	Logger          *slog.Logger  // one line an answer, without keys and signatures; nil = silent
}

// Pack is one compliance pack.
type Pack struct {
	ID         string // "cp-…"; required
	Name       string // what people call it
	Aggregator string // the account group "ca-…" it belongs to; its report is then a .zip of a workbook an account
	AccountID  string // digits; default 1234567890123456
	Script     Script
}

// Key is what [Server.Touch] knows the pack by: its ID, after its account
// group's where it has one.
func (p Pack) Key() string {
	if p.Aggregator != "" {
		return p.Aggregator + "/" + p.ID
	}
	return p.ID
}

// Script is how a pack behaves. The zero value is an ordinary one: a report
// made in an instant, a link of an hour with an OSS V1 signature.
type Script struct {
	Make         time.Duration // how long a report is in the making
	Never        bool          // reports stay in the making for ever
	Standing     time.Duration // a finished report of this age stands there at the start; 0 = none
	Link         LinkForm      // how links are signed; default V1
	LinkLife     time.Duration // default 1h
	ExpiredLinks int           // the first so many links are refused as expired, whatever expiry they name
	Throttles    int           // the first so many calls answer Throttling.User
	Failures     []Failure     // what goes wrong after that, in order
	Body         BodyFault     // what is wrong with the first downloads
	Size         int           // a report has at least so many bytes; workbooks up to 4 MiB each
	Blob         bool          // the report is Size deterministic bytes instead of a workbook, made while they are sent
}

// LinkForm is how a link is signed.
type LinkForm string

// The forms of links.
const (
	V1 LinkForm = "v1" // OSS V1: Expires, OSSAccessKeyId, Signature, security-token
	V2 LinkForm = "v2" // OSS V2: x-oss-signature-version=OSS2, x-oss-expires, …
	V4 LinkForm = "v4" // OSS V4: x-oss-signature-version=OSS4-HMAC-SHA256, x-oss-date, …
	S3 LinkForm = "s3" // S3 V4: X-Amz-Date, X-Amz-Expires, …
)

// Download is the name of a download in [Failure] and [Server.Calls].
const Download = "download"

// Failure replaces the answers to some calls about a pack that were signed
// well. With neither Status nor Body nor Code the connection is closed
// without an answer.
type Failure struct {
	Call   string        // the API action, or Download; "" = any API action
	Status int           // default 400 with a Code, else 200
	Code   string        // an error as the API, or the bucket, writes it
	Body   string        // instead of Code: what is answered, as text/html
	Delay  time.Duration // how long the answer takes, unless the caller hangs up before
	Times  int           // how often; default once
}

// BodyFault is what is wrong with the first downloads of a pack's reports.
// The headers keep telling the truth about the report but for what Kind says.
type BodyFault struct {
	Kind  BodyKind
	Times int           // how many downloads; default 1
	URL   string        // where BodyRedirect sends the caller
	Pause time.Duration // between two pieces of BodyDrip; default 1s
}

// BodyKind is a way for a download to go wrong.
type BodyKind string

// The ways for a download to go wrong.
const (
	BodyEmpty     BodyKind = "empty"      // no byte, and Content-Length 0
	BodyShort     BodyKind = "short"      // half of it, and Content-Length says so too
	BodyShortTrue BodyKind = "short-true" // half of it, with the true Content-Length
	BodyLong      BodyKind = "long"       // 16 bytes more, and Content-Length says so too
	BodyAltered   BodyKind = "altered"    // one bit in the middle
	BodyCut       BodyKind = "cut"        // the connection breaks after the first half
	BodyStall     BodyKind = "stall"      // the first half, then silence until the caller hangs up
	BodyDrip      BodyKind = "drip"       // all of it, in ten pieces with a pause before each
	BodyErrorPage BodyKind = "error-page" // an XML error with status 200
	BodyHTML      BodyKind = "html"       // an HTML page with status 200
	BodyRedirect  BodyKind = "redirect"   // 302 to URL
)
