package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"packseal.example/internal/fault"
)

// State is how a slot ended.
type State string

// The two states of a settled slot.
const (
	Sealed State = "sealed"
	Gapped State = "gap"
)

// Record is the essence of a settled slot, as list, page and API show it.
type Record struct {
	Slot
	State       State        `json:"state"`
	Settled     time.Time    `json:"settled"`                // when it was sealed, or recorded as a gap
	Created     time.Time    `json:"created,omitzero"`       // when the report was made, by Config's clock
	Object      string       `json:"object,omitempty"`       // the report's key in the sinks
	Size        int64        `json:"size,omitempty"`         // bytes
	SHA256      string       `json:"sha256,omitempty"`       // hex
	LateSeconds int64        `json:"late_seconds,omitempty"` // from due until the report was fetched
	Reason      fault.Reason `json:"reason,omitempty"`       // of a gap
	Detail      string       `json:"detail,omitempty"`       // of a gap: the last error, in words
	Imported    string       `json:"imported,omitempty"`     // of a report that packseal did not fetch: who imported it
	Pruned      bool         `json:"pruned,omitempty"`       // the report was removed after its retention, as the ledger says; the manifest is kept

	Name string `json:"-"` // of a manifest that was just read: what it calls the pack
}

// Manifest is the record that seals a report: what it is, when it was made and
// fetched, and the sums that prove it whole. Times are RFC 3339 in UTC. It never
// holds a link or a secret.
//
// Fields are in the order of their keys. Those marked v2 are not in v1, which
// packseal wrote before, and the one marked v3 not in v2; all can always be read.
type Manifest struct {
	Account         string            `json:"account,omitempty"`          // the Alibaba Cloud account that Config names
	Aggregator      string            `json:"aggregator,omitempty"`       // the account group, ca-…
	Anomalies       []string          `json:"anomalies,omitempty"`        // v2: what is odd about the body, see [Anomaly]
	Attached        bool              `json:"attached"`                   // the report was being made, or had been since the slot fell due, without packseal's request
	Baseline        time.Time         `json:"baseline,omitzero"`          // creation time of the report that existed before, by Config's clock
	Container       Container         `json:"container"`                  // what the first bytes say
	ContentEncoding string            `json:"content_encoding,omitempty"` // v2: of the body as it was sent and kept, such as "gzip"
	CRC64           string            `json:"crc64"`                      // ECMA, decimal
	Created         time.Time         `json:"created"`                    // when the report was made, by Config's clock
	Due             time.Time         `json:"due"`                        // the slot's
	Evaluated       *Evaluated        `json:"evaluated,omitempty"`        // v2: the evaluation that was asked for before the report
	Fetched         time.Time         `json:"fetched"`                    // when its last byte arrived
	Imported        *Imported         `json:"imported,omitempty"`         // v2: packseal did not fetch the report; see [Encode] for what the manifest lacks then
	Kind            string            `json:"kind"`                       // see [PackRef.Kind]
	Labels          map[string]string `json:"labels,omitempty"`           // v2: the pack's, from the configuration
	LateSeconds     int64             `json:"late_seconds"`               // from due to fetched
	MD5             string            `json:"md5"`                        // hex
	Name            string            `json:"name,omitempty"`             // the pack's name
	Object          string            `json:"object"`                     // the report's name beside the manifest
	Pack            string            `json:"pack"`                       // the pack's ID, see [PackRef]
	ReportID        string            `json:"report_id,omitempty"`        // v2: Config's ID of the report (crp-…, crtr-…), where it has one
	RequestIDs      []string          `json:"request_ids,omitempty"`
	Requested       time.Time         `json:"requested"` // when it was asked for
	Schema          string            `json:"schema"`
	Sealed          time.Time         `json:"sealed"`          // when this record was made
	SHA256          string            `json:"sha256"`          // hex
	Sinks           []string          `json:"sinks,omitempty"` // v3: the names of the sinks that were to keep it, where that was not every one
	Size            int64             `json:"size"`            // bytes
	Source          string            `json:"source"`          // the source's name
	SourceName      string            `json:"source_object"`   // the object's name in Config's bucket
	Tool            string            `json:"tool"`            // packseal/<version>
}

// Evaluated is how many of a pack's rules had been evaluated when the report was
// asked for.
type Evaluated struct {
	Of    int `json:"of"`
	Rules int `json:"rules"`
}

// Imported says where a report comes from that was kept by other means, and that
// packseal did not fetch.
type Imported struct {
	At   time.Time `json:"at"`   // when it was imported
	By   string    `json:"by"`   // who did it
	File string    `json:"file"` // the file's name, without its folder
}

// importedManifest leaves out of the manifest of an imported report what is known
// only of one that packseal fetched.
type importedManifest struct {
	Manifest
	Attached    *struct{} `json:"attached,omitempty"`
	Created     *struct{} `json:"created,omitempty"`
	Fetched     *struct{} `json:"fetched,omitempty"`
	LateSeconds *struct{} `json:"late_seconds,omitempty"`
	Requested   *struct{} `json:"requested,omitempty"`
	SourceName  *struct{} `json:"source_object,omitempty"`
}

// Slot returns the slot that the manifest seals.
func (m Manifest) Slot() Slot {
	return PackRef{Source: m.Source, ID: m.Pack, Aggregator: m.Aggregator}.Slot(m.Due)
}

// ReportKey returns the report's key.
func (m Manifest) ReportKey() string { return m.Slot().Dir() + m.Object }

// Ext returns the extension of the report's name, without the dot: "xls", or
// "xls.gz" of a compressed one.
func (m Manifest) Ext() string {
	_, ext, _ := strings.Cut(m.Object, ".")
	if ext == "" || strings.Trim(ext, ".abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return "bin"
	}
	return ext
}

// Record returns the manifest's essence.
func (m Manifest) Record() Record {
	r := Record{
		Slot: m.Slot(), State: Sealed, Settled: m.Sealed, Created: m.Created, Object: m.ReportKey(),
		Size: m.Size, SHA256: m.SHA256, LateSeconds: m.LateSeconds, Name: m.Name,
	}
	if m.Imported != nil {
		r.Imported = m.Imported.By
	}
	return r
}

// DecodeManifest reads the manifest that lies in the slot's folder. Whoever can
// write to the store can write a manifest: one of another slot, or one that names
// an object outside of the slot, is fault.Damaged. See [Decode] for other errors.
func DecodeManifest(b []byte, s Slot) (Manifest, error) {
	v, err := Decode(b)
	if err != nil {
		return Manifest{}, err
	}
	m, ok := v.(Manifest)
	switch {
	case !ok:
		return Manifest{}, fault.New(fault.Damaged, "the record is not a manifest")
	case m.Slot() != s || !ownObject(m.Object) || m.Size < 0:
		return Manifest{}, fault.New(fault.Damaged, "the manifest is of slot %s, object %.200q, %d bytes", m.Slot(), m.Object, m.Size)
	case m.Imported != nil && m.Imported.By == "":
		return Manifest{}, fault.New(fault.Damaged, "the manifest is of an imported report, and does not say who imported it")
	}
	return m, nil
}

// ownObject reports whether a name can be that of a report within its slot.
func ownObject(name string) bool {
	return strings.HasPrefix(name, "report-") && !strings.ContainsFunc(name, func(r rune) bool {
		return r < 0x20 || r == 0x7f || r == '/' || r == '\\' || r == '\uFFFD'
	})
}

// decodeManifestV1 refuses the fields that came with v2.
func decodeManifestV1(b []byte) (any, error) {
	v, err := canonical[Manifest](b)
	if err != nil {
		return nil, err
	}
	m := v.(Manifest)
	if m.Sinks != nil || m.Anomalies != nil || m.ContentEncoding != "" || m.Evaluated != nil || m.Imported != nil || m.Labels != nil || m.ReportID != "" {
		return nil, fault.New(fault.Damaged, "the record has fields that its schema %s has not", m.Schema)
	}
	return m, nil
}

// decodeManifestV2 refuses the field that came with v3.
func decodeManifestV2(b []byte) (any, error) {
	v, err := canonical[Manifest](b)
	if err == nil && v.(Manifest).Sinks != nil {
		return nil, fault.New(fault.Damaged, "the record has fields that its schema %s has not", ManifestSchema)
	}
	return v, err
}

// In returns the manifest of a report that these sinks are to keep, by name; none =
// every one. Only with sinks it needs the newer schema.
func (m Manifest) In(sinks []string) Manifest {
	if len(sinks) > 0 {
		m.Sinks, m.Schema = sinks, ChosenManifestSchema
	}
	return m
}

// Gap is the record of a slot that ended without a report. Fields are in the
// order of their keys.
type Gap struct {
	Detail   string            `json:"detail"` // the last error, in words
	Due      time.Time         `json:"due"`
	Labels   map[string]string `json:"labels,omitempty"` // v2: the pack's, from the configuration
	Pack     string            `json:"pack"`             // the pack's key
	Reason   fault.Reason      `json:"reason"`           // why, as a word
	Recorded time.Time         `json:"recorded"`
	Schema   string            `json:"schema"`
	Source   string            `json:"source"`
	Tool     string            `json:"tool"` // packseal/<version>
}

// MaxDetail bounds a gap's detail, in bytes.
const MaxDetail = 2000

// NewGap makes the record of a slot that ends without a report. Of a detail that
// is too long the end is cut off.
func NewGap(s Slot, reason fault.Reason, detail string, now time.Time, tool string) Gap {
	return Gap{
		Detail: strings.ToValidUTF8(detail[:min(len(detail), MaxDetail)], ""), Due: s.Due.UTC(), Pack: s.Pack, Reason: reason,
		Recorded: now.UTC().Truncate(time.Millisecond), Schema: GapSchema, Source: s.Source, Tool: tool,
	}
}

// Labelled returns the record with the pack's labels. Only with labels it needs the
// newer schema.
func (g Gap) Labelled(labels map[string]string) Gap {
	if len(labels) > 0 {
		g.Labels, g.Schema = labels, LabelledGapSchema
	}
	return g
}

// decodeGapV1 refuses the field that came with v2.
func decodeGapV1(b []byte) (any, error) {
	v, err := canonical[Gap](b)
	if err == nil && v.(Gap).Labels != nil {
		return nil, fault.New(fault.Damaged, "the record has fields that its schema %s has not", GapSchema)
	}
	return v, err
}

// Slot returns the slot that the record is of.
func (g Gap) Slot() Slot { return Slot{Source: g.Source, Pack: g.Pack, Due: g.Due} }

// Record returns the gap's essence.
func (g Gap) Record() Record {
	return Record{Slot: g.Slot(), State: Gapped, Settled: g.Recorded, Reason: g.Reason, Detail: g.Detail}
}

// DecodeGap reads the gap record that lies in the slot's folder. One of another
// slot is fault.Damaged. See [Decode] for other errors.
func DecodeGap(b []byte, s Slot) (Gap, error) {
	v, err := Decode(b)
	if err != nil {
		return Gap{}, err
	}
	g, ok := v.(Gap)
	switch {
	case !ok:
		return Gap{}, fault.New(fault.Damaged, "the record is not a gap record")
	case g.Slot() != s:
		return Gap{}, fault.New(fault.Damaged, "the gap record is of slot %s", g.Slot())
	}
	return g, nil
}

// The schemas that are written today.
const (
	ManifestSchema = "packseal.manifest/v2"
	GapSchema      = "packseal.gap/v1"

	LabelledGapSchema    = "packseal.gap/v2"      // of a pack with labels
	ChosenManifestSchema = "packseal.manifest/v3" // of a pack that not every sink keeps
)

// schemas is the table of schemas: what decodes a record by its schema. A schema
// that was ever written stays here forever.
var schemas = map[string]func([]byte) (any, error){
	"packseal.manifest/v1": decodeManifestV1,
	ManifestSchema:         decodeManifestV2,
	ChosenManifestSchema:   canonical[Manifest],
	GapSchema:              decodeGapV1,
	LabelledGapSchema:      canonical[Gap],
	PlanSchema:             decodePlanV1,
	BoundedPlanSchema:      canonical[Plan],
	AckSchema:              canonical[Ack],
	SlateSchema:            canonical[Slate],
	PolicySchema:           canonical[Policy],
	NextKeySchema:          canonical[NextKey],
	EpochSchema:            canonical[Epoch],
}

// ErrDenied is the error (by errors.Is) of reading an object that its store lists and
// does not let us read.
var ErrDenied = errors.New("the store lists it, but denies reading it")

// Unreadable reports whether an error of reading a record says that it is there
// and can't be read: not by this program, not now, not by us, or not at all.
func Unreadable(err error) bool {
	switch fault.Of(err) {
	case fault.Damaged, fault.Newer, fault.NotRestored:
		return true
	}
	return errors.Is(err, ErrDenied)
}

// MaxRecord bounds a record, in bytes.
const MaxRecord = 64 << 10

// Decode reads a record by its schema and returns a [Manifest], a [Gap], an
// [Ack], a [Plan], a [Slate], a [Policy], a [NextKey] or an [Epoch]. A field that its
// schema does not have, and any form but the canonical one, is fault.Damaged. A schema of packseal's that this program does not know is
// fault.Newer: the record is of a newer packseal, and says nothing here.
func Decode(b []byte) (any, error) {
	if decode, ok := schemas[string(likelySchema(b))]; ok {
		return decode(b)
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fault.Wrap(fault.Damaged, fmt.Errorf("decoding a record: %w", err))
	}
	if decode, ok := schemas[head.Schema]; ok {
		return decode(b)
	}
	if schemaName.MatchString(head.Schema) {
		return nil, fault.New(fault.Newer, "schema %.100s is newer than this program", head.Schema).
			WithHint("a newer packseal wrote the record: upgrade this one to read it")
	}
	return nil, fault.New(fault.Damaged, "%.100q is not a schema of packseal", head.Schema)
}

// likelySchema returns the schema of a record in canonical form without decoding it.
// After its field no record has another of that name; text can't look like one,
// because its quotation marks are escaped.
func likelySchema(b []byte) []byte {
	const field = `"schema":"`
	i := bytes.LastIndex(b, []byte(field))
	if i < 0 {
		return nil
	}
	name, _, _ := bytes.Cut(b[i+len(field):], []byte{'"'})
	return name
}

// schemaName matches the names that schemas have or will have.
var schemaName = regexp.MustCompile(`^packseal\.[a-z][a-z_]{0,30}/v[1-9][0-9]{0,3}$`)

// Encode writes a record in canonical form (RFC 8785). The fields of our records
// are declared in the order of their keys. The manifest of an imported report has no
// attached, created, fetched, late_seconds, requested and source_object.
func Encode(v any) ([]byte, error) {
	if m, ok := v.(Manifest); ok && m.Imported != nil {
		v = importedManifest{Manifest: m}
	}
	b, err := Canonical(v)
	if err == nil && len(b) > MaxRecord {
		return nil, fault.New(fault.Internal, "a record of %d bytes is over the limit of %d", len(b), MaxRecord)
	}
	return b, err
}

// Canonical writes a value whose fields are declared in the order of their keys, and
// that has no fractions, in canonical form (RFC 8785): strings are escaped as
// encoding/json does, without its HTML escapes.
func Canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.Wrap(fault.Internal, fmt.Errorf("encoding a record: %w", err))
	}
	// encoding/json escapes U+2028 and U+2029 even then, and writes U+FFFD for
	// invalid UTF-8 as an escape; RFC 8785 escapes none of them.
	raw := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw, nil
	}
	return []byte(unescaped.Replace(string(raw))), nil
}

// unescaped undoes escapes that RFC 8785 does not have.
var unescaped = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029", `\ufffd`, "\ufffd")
