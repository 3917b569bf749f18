package evidence

import (
	"strings"
	"time"

	"packseal.example/internal/fault"
)

// Manifest is the record that seals a report: what it is, when it was made and
// fetched, and the sums that prove it whole. Times are RFC 3339 in UTC. It never
// holds a link or a secret.
//
// Fields are in the order of their keys. Those marked v2 are not in v1, which
// packseal wrote before; v1 is read for ever.
type Manifest struct {
	Account         string            `json:"account,omitempty"`          // the Alibaba Cloud account that Config names
	Aggregator      string            `json:"aggregator,omitempty"`       // the account group, ca-…
	Anomalies       []string          `json:"anomalies,omitempty"`        // v2: what was odd about the body, as words
	Attached        bool              `json:"attached"`                   // the report was being made, or had been since the slot fell due, without packseal's request
	Baseline        time.Time         `json:"baseline,omitzero"`          // creation time of the report that existed before, by Config's clock
	Container       Container         `json:"container"`                  // what the first bytes say
	ContentEncoding string            `json:"content_encoding,omitempty"` // v2: of the body as it was sent and kept, such as "gzip"
	CRC64           string            `json:"crc64"`                      // ECMA, decimal
	Created         time.Time         `json:"created"`                    // when the report was made, by Config's clock
	Due             time.Time         `json:"due"`                        // the slot's
	Evaluated       *Evaluated        `json:"evaluated,omitempty"`        // v2: the evaluation that was asked for before the report
	Fetched         time.Time         `json:"fetched"`                    // when its last byte arrived
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
	Sealed          time.Time         `json:"sealed"`        // when this record was made
	SHA256          string            `json:"sha256"`        // hex
	Size            int64             `json:"size"`          // bytes
	Source          string            `json:"source"`        // the source's name
	SourceName      string            `json:"source_object"` // the object's name in Config's bucket
	Tool            string            `json:"tool"`          // packseal/<version>
}

// Evaluated is how many of a pack's rules had been evaluated when the report was
// asked for.
type Evaluated struct {
	Of    int `json:"of"`
	Rules int `json:"rules"`
}

// Container is what a report's first bytes say it is, whatever its name says.
type Container string

// The containers.
const (
	OLE2  Container = "ole2"  // a BIFF8 .xls
	OOXML Container = "ooxml" // an .xlsx, often under the name .xls
	Zip   Container = "zip"   // an account group's workbooks
	XML   Container = "xml"   // a SpreadsheetML workbook
	HTML  Container = "html"  // a table that spreadsheets open
	Other Container = "other"
)

// Slot returns the slot that the manifest seals.
func (m Manifest) Slot() Slot {
	return PackRef{Source: m.Source, ID: m.Pack, Aggregator: m.Aggregator}.Slot(m.Due)
}

// ReportKey returns the report's key.
func (m Manifest) ReportKey() string { return m.Slot().Dir() + m.Object }

// Record returns the manifest's essence.
func (m Manifest) Record() Record {
	return Record{
		Slot: m.Slot(), State: Sealed, Settled: m.Sealed, Created: m.Created, Object: m.ReportKey(),
		Size: m.Size, SHA256: m.SHA256, LateSeconds: m.LateSeconds,
	}
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
	if m.Anomalies != nil || m.ContentEncoding != "" || m.Evaluated != nil || m.Labels != nil || m.ReportID != "" {
		return nil, fault.New(fault.Damaged, "the record has fields that its schema %s has not", m.Schema)
	}
	return m, nil
}
