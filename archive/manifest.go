package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/sink"
)

// The schemas of the records, with their versions.
const (
	manifestSchema = "packseal.manifest/v1"
	gapSchema      = "packseal.gap/v1"
)

// maxRecord bounds a manifest or a gap record, in bytes, when it is read.
const maxRecord = 64 << 10

// Manifest is the record that seals a report: what it is, when it was made and
// kept, and the sums that prove it whole. Its JSON is canonical: keys sorted,
// no white space, UTF-8 (RFC 8785), so that one record has one form and one
// digest. Times are RFC 3339 in UTC. It never holds a link or a secret.
//
// Fields stand in the order of their keys.
type Manifest struct {
	Account     string            `json:"account,omitempty"`    // the Alibaba Cloud account that Config names
	Aggregator  string            `json:"aggregator,omitempty"` // the account group, ca-…
	Attached    bool              `json:"attached"`             // the report was being made, or had been since the slot fell due, without our asking
	Baseline    time.Time         `json:"baseline,omitzero"`    // creation time of the report that stood there before, by Config's clock
	Container   fetcher.Container `json:"container"`            // what the first bytes say
	CRC64       string            `json:"crc64"`                // ECMA, decimal
	Created     time.Time         `json:"created"`              // when the report was made, by Config's clock
	Due         time.Time         `json:"due"`                  // the slot
	Fetched     time.Time         `json:"fetched"`              // when its last byte came
	Kind        string            `json:"kind"`                 // "compliance_pack" or "aggregate_compliance_pack"
	LateSeconds int64             `json:"late_seconds"`         // from due to fetched
	MD5         string            `json:"md5"`                  // hex
	Name        string            `json:"name,omitempty"`       // what people call the pack
	Object      string            `json:"object"`               // the report's name beside the manifest
	Pack        string            `json:"pack"`                 // the pack's ID, cp-…
	RequestIDs  []string          `json:"request_ids,omitempty"`
	Requested   time.Time         `json:"requested"` // when it was asked for
	Schema      string            `json:"schema"`
	Sealed      time.Time         `json:"sealed"`        // when this record was made
	SHA256      string            `json:"sha256"`        // hex
	Size        int64             `json:"size"`          // bytes
	Source      string            `json:"source"`        // the source's name in the configuration
	SourceName  string            `json:"source_object"` // the object's name in Config's bucket
	Tool        string            `json:"tool"`          // packseal/<version>
}

// newManifest drafts the record of a report that was fetched.
func newManifest(r fetcher.Report, now time.Time, tool string) Manifest {
	kind := "compliance_pack"
	if r.Pack.Aggregator != "" {
		kind = "aggregate_compliance_pack"
	}
	return Manifest{
		Account: r.Account, Aggregator: r.Pack.Aggregator, Attached: r.Attached, Baseline: r.Baseline.UTC(),
		Container: r.Container, CRC64: r.CRC64, Created: r.Created.UTC(), Due: r.Due.UTC(), Fetched: r.Fetched.UTC(),
		Kind: kind, LateSeconds: int64(max(r.Fetched.Sub(r.Due), 0) / time.Second), MD5: r.MD5, Name: r.Pack.Name,
		Object: objectName(r), Pack: r.Pack.ID, RequestIDs: r.RequestIDs, Requested: r.Requested.UTC(),
		Schema: manifestSchema, Sealed: now.UTC().Truncate(time.Millisecond), SHA256: r.SHA256, Size: r.Size,
		Source: r.Pack.Source, SourceName: r.Name, Tool: tool,
	}
}

// report is what newManifest was made from.
func (m Manifest) report() fetcher.Report {
	return fetcher.Report{
		Ticket: fetcher.Ticket{
			Pack: fetcher.Pack{Source: m.Source, ID: m.Pack, Aggregator: m.Aggregator, Name: m.Name},
			Due:  m.Due, Requested: m.Requested, Baseline: m.Baseline, Attached: m.Attached, RequestIDs: m.RequestIDs,
		},
		Account: m.Account, Created: m.Created, Fetched: m.Fetched, Name: m.SourceName, Container: m.Container,
		Size: m.Size, SHA256: m.SHA256, CRC64: m.CRC64, MD5: m.MD5,
	}
}

// Slot returns the slot that the manifest seals.
func (m Manifest) Slot() scheduler.Slot {
	return slotOf(fetcher.Pack{Source: m.Source, ID: m.Pack, Aggregator: m.Aggregator}, m.Due)
}

// record is the manifest as people read it.
func (m Manifest) record() Record {
	s := m.Slot()
	return Record{
		Slot: s, State: Sealed, Settled: m.Sealed, Created: m.Created, Object: slotDir(s) + m.Object,
		Size: m.Size, SHA256: m.SHA256, LateSeconds: m.LateSeconds,
	}
}

// Gap is the record of a slot that ended without a report.
type Gap struct {
	Detail   string       `json:"detail"` // what was last tried and what came of it
	Due      time.Time    `json:"due"`
	Pack     string       `json:"pack"`   // the pack's key
	Reason   fault.Reason `json:"reason"` // why, as a word
	Recorded time.Time    `json:"recorded"`
	Schema   string       `json:"schema"`
	Source   string       `json:"source"`
	Tool     string       `json:"tool"`
}

// maxDetail bounds a gap's detail, in bytes.
const maxDetail = 2000

// newGap makes the record of a slot that ends without a report.
func newGap(s scheduler.Slot, reason fault.Reason, detail string, now time.Time, tool string) Gap {
	return Gap{
		Detail: strings.ToValidUTF8(detail[:min(len(detail), maxDetail)], ""), Due: s.Due.UTC(), Pack: s.Pack, Reason: reason,
		Recorded: now.UTC().Truncate(time.Millisecond), Schema: gapSchema, Source: s.Source, Tool: tool,
	}
}

// record is the gap as people read it.
func (g Gap) record() Record {
	return Record{
		Slot:  scheduler.Slot{Source: g.Source, Pack: g.Pack, Due: g.Due},
		State: Gapped, Settled: g.Recorded, Reason: g.Reason, Detail: g.Detail,
	}
}

// encode writes a record in its canonical form. The keys of our records are
// in order because their fields are; strings are escaped as RFC 8785 says,
// which is encoding/json's way without its HTML escapes.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.Wrap(fault.Internal, fmt.Errorf("encoding a record: %w", err))
	}
	s := strings.TrimSuffix(b.String(), "\n")
	// encoding/json escapes U+2028 and U+2029 even then, and U+FFFD where it
	// stands for bytes that are no UTF-8; RFC 8785 does not.
	s = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029", `\ufffd`, "\ufffd").Replace(s)
	if len(s) > maxRecord {
		return nil, fault.New(fault.Internal, "a record of %d bytes, which nobody would read again", len(s))
	}
	return []byte(s), nil
}

// decodeManifest reads a manifest and holds it against the slot in whose
// folder it lies.
func decodeManifest(b []byte, s scheduler.Slot) (Manifest, error) {
	var m Manifest
	if err := decode(b, &m, manifestSchema, func() string { return m.Schema }); err != nil {
		return m, err
	}
	// Whoever can write to the store can write a manifest: what it names must
	// be an object of this slot, and one that can be.
	own := strings.HasPrefix(m.Object, "report-") && !strings.Contains(m.Object, "/") && sink.CheckKey(m.Object) == nil
	if m.Slot() != s || !own || m.Size < 0 {
		return m, fault.New(fault.Damaged, "the manifest is of slot %s, object %.200q, %d bytes", m.Slot(), m.Object, m.Size)
	}
	return m, nil
}

// decodeGap reads a gap record likewise.
func decodeGap(b []byte, s scheduler.Slot) (Gap, error) {
	var g Gap
	if err := decode(b, &g, gapSchema, func() string { return g.Schema }); err != nil {
		return g, err
	}
	if got := g.record().Slot; got != s {
		return g, fault.New(fault.Damaged, "the gap record is of slot %s", got)
	}
	return g, nil
}

// decode reads a record that must be in canonical form and of that schema.
func decode(b []byte, v any, schema string, got func() string) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fault.Wrap(fault.Damaged, fmt.Errorf("decoding a record: %w", err))
	}
	if got() != schema {
		return fault.New(fault.Damaged, "the record's schema is %q, not %q", got(), schema)
	}
	again, err := encode(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return fault.New(fault.Damaged, "the record is not in its canonical form")
	}
	return nil
}
