package sim

import (
	"log/slog"
	"time"
)

// Options configure a simulator.
type Options struct {
	AccessKeyID     string           // of the only user; required
	AccessKeySecret string           // required
	SecurityToken   string           // required in calls, unless empty
	Packs           []Pack           // the packs that exist at the start
	Groups          []Group          // account groups beside those that packs belong to
	Accounts        []Account        // member accounts of the Resource Directory that the user's account manages
	RatePerSecond   float64          // calls per second before Throttling.User; 0 means no limit
	Quotas          map[string]Quota // by API action: what Throttling.Api is for; default: none
	Skew            time.Duration    // how far the simulated clock is ahead of the real one
	Latency         time.Duration    // before each response
	PublicURL       string           // prefix of links; default: scheme and host of the request
	Logger          *slog.Logger     // one line per response, without keys and signatures; nil logs nothing
}

// Quota is how many calls of one name are permitted within a period. As the service
// counts, that is from the first call on, and anew from the first one after it.
type Quota struct {
	Calls  int
	Period time.Duration
}

// Pack is what reports are made of: a compliance pack or, by its ID, all rules, a
// report template or the resource inventory. Rules and inventory of the account are
// there even if they are not among the packs.
type Pack struct {
	ID         string // "cp-…", "rules", "crt-…" or "inventory"; required
	Name       string // the display name
	Aggregator string // the account group "ca-…" it belongs to, or empty; reports of a group are a .zip with a workbook per account
	AccountID  string // digits; default 1234567890123456, or the Member
	Member     string // the member account whose pack it is, which exists; empty = the user's own account
	Script     Script

	Tags     map[string]string
	Template string // "ct-…", or empty
	Risk     int    // 1 high, 2 medium, 3 low; default 1
	Status   string // default ACTIVE
}

// Group is an account group. One that a pack belongs to exists, and needs no entry.
type Group struct {
	ID       string // "ca-…"; required
	Name     string // default 账号组 and the ID
	Type     string // RD, FOLDER or CUSTOM, the default
	Creating bool   // it is being created, and can't be used yet
}

// Key identifies the pack in [Server.Touch]: its ID, after that of its account
// group and a slash if it has one, or of its member account and a colon.
func (p Pack) Key() string {
	key := p.ID
	if p.Aggregator != "" {
		key = p.Aggregator + "/" + p.ID
	}
	if p.Member != "" {
		key = p.Member + ":" + key
	}
	return key
}

// Script is the behaviour of a pack. By default, reports are generated instantly,
// and links have an OSS V1 signature and are valid for an hour.
type Script struct {
	Make         time.Duration // how long it takes to generate a report
	Never        bool          // reports are never ready
	Standing     time.Duration // age of a report that exists at the start; 0 means none
	Link         LinkForm      // how links are signed; default V1
	LinkLife     time.Duration // default 1h
	ExpiredLinks int           // number of first links that are refused as expired, whatever their expiry
	Throttles    int           // number of first calls that fail with Throttling.User
	Failures     []Failure     // further failures, in order
	Ends         []string      // how the first reports end instead of COMPLETE, in order: FAILED or TIMEOUT
	Unfound      string        // the error code of lookups while there was never a report; by default, the response has none
	Forgets      bool          // only the latest report of all rules can be looked up
	Confuses     bool          // lookups of a report of all rules return the latest, whatever its ID
	NoReplay     bool          // a repeated ClientToken is a new request
	Rules        int           // the pack's rules; default 8
	Evaluate     time.Duration // how long it takes to evaluate a rule; default 1s
	Stuck        int           // rules that are never evaluated
	Inactive     int           // rules that are not active; of the others
	Broken       int           // rules whose evaluation fails; of the others
	UTF16        bool          // the inventory is in UTF-16 instead of UTF-8, with a byte order mark
	Body         BodyFault     // fault of the first downloads
	Size         int           // minimum size of a report in bytes; up to 4 MiB per workbook
	Blob         bool          // reports are Size deterministic bytes instead of a workbook, generated while they are sent
}

// LinkForm is the form of a signed link.
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

// Failure replaces the responses to calls about a pack that have a valid
// signature. With neither Status, Body nor Code, the connection is closed without
// a response. By default, the calls have no effect.
type Failure struct {
	After  bool          // the call takes effect, and only its response is replaced
	Call   string        // the API action, or Download; "" means any API action
	Status int           // default 400 with a Code, 200 without
	Code   string        // an error code of the API or the bucket
	Body   string        // instead of Code: the response body, as text/html
	Delay  time.Duration // delay of the response
	Times  int           // how often; default 1
}

// BodyFault is a fault of the first downloads of a pack's reports. The headers
// describe the correct report, except as stated at Kind.
type BodyFault struct {
	Kind  BodyKind
	Times int           // how many downloads; default 1
	URL   string        // target of BodyRedirect
	Pause time.Duration // before each piece of BodyDrip; default 1s
}

// BodyKind is a kind of fault of a download.
type BodyKind string

// The kinds of faults of a download.
const (
	BodyEmpty     BodyKind = "empty"      // no bytes, with Content-Length 0
	BodyShort     BodyKind = "short"      // the first half, with a matching Content-Length
	BodyShortTrue BodyKind = "short-true" // the first half, with the Content-Length of all
	BodyLong      BodyKind = "long"       // 16 bytes too many, with a matching Content-Length
	BodyAltered   BodyKind = "altered"    // one bit in the middle is flipped
	BodyCut       BodyKind = "cut"        // the connection is closed after the first half
	BodyStall     BodyKind = "stall"      // the first half, and then nothing until the client disconnects
	BodyDrip      BodyKind = "drip"       // in ten pieces with a pause before each
	BodyErrorPage BodyKind = "error-page" // an XML error with status 200
	BodyHTML      BodyKind = "html"       // an HTML page with status 200
	BodyRedirect  BodyKind = "redirect"   // 302 to URL
)
