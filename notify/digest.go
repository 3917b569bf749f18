package notify

import "time"

// Digest is the state of all packs over a period, by the records in the archive.
type Digest struct {
	From     time.Time      `json:"from"` // slots that were due after this
	To       time.Time      `json:"to"`   // and up to this
	Packs    int            `json:"packs"`
	Sealed   int            `json:"sealed"`             // of the period's slots
	Gaps     []Event        `json:"gaps"`               // of the period's slots
	Overdue  []Event        `json:"overdue"`            // now
	Verified time.Time      `json:"verified,omitzero"`  // when verification last read everything and found no problem; zero = never
	Problems map[string]int `json:"findings,omitempty"` // of the last verification, by kind
	Next     time.Time      `json:"next,omitzero"`      // when the next slot is due
	Unread   int            `json:"unread,omitempty"`   // packs whose records could not be read
	Ledger   string         `json:"ledger,omitempty"`   // the ledger's last checkpoint, to be held against it later: "ledger <origin> <size> <root>"; empty = there is none
}
