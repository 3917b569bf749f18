package evidence

// Container is what a report's first bytes say it is, whatever its name says. Of
// a compressed body, it is what is inside.
type Container string

// The containers.
const (
	OLE2  Container = "ole2"  // a BIFF8 .xls
	OOXML Container = "ooxml" // an .xlsx, often under the name .xls
	Zip   Container = "zip"   // an account group's workbooks
	XML   Container = "xml"   // a SpreadsheetML workbook
	HTML  Container = "html"  // a table that spreadsheets open
	CSV   Container = "csv"   // a table in text
	JSON  Container = "json"
	Other Container = "other"
)

// Ext returns the extension of files of that container, without the dot.
func (c Container) Ext() string {
	switch c {
	case OLE2:
		return "xls"
	case OOXML:
		return "xlsx"
	case Other:
		return "bin"
	}
	return string(c)
}

// MediaType returns the Content-Type of files of that container.
func (c Container) MediaType() string {
	switch c {
	case OLE2:
		return "application/vnd.ms-excel"
	case OOXML:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case Zip:
		return "application/zip"
	case XML:
		return "application/xml"
	case HTML:
		return "text/html"
	case CSV:
		return "text/csv"
	case JSON:
		return "application/json"
	}
	return "application/octet-stream"
}

// Anomaly is what is odd about a report that may be one all the same: a short,
// stable word that is safe as a metric label and in records.
type Anomaly string

// The anomalies.
const (
	OddCharset   Anomaly = "charset"      // text in UTF-16 or UTF-32
	OddEncoding  Anomaly = "encoding"     // it is compressed, or the response says so
	OddType      Anomaly = "content_type" // the response says that it is a page or JSON, and it is not
	OddExtension Anomaly = "extension"    // it is no container for the extension of its name
	Incomplete   Anomaly = "incomplete"   // it ends before parts that it says it has
	Unrecognized Anomaly = "unrecognized" // it is no container that packseal knows
)

// Anomalies returns all of them, in alphabetical order.
func Anomalies() []Anomaly {
	return []Anomaly{OddCharset, OddType, OddEncoding, OddExtension, Incomplete, Unrecognized}
}
