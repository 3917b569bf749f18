package evidence

import "time"

// LedgerStatus is how the ledger is, as page, API and commands show it.
type LedgerStatus struct {
	Origin    string          `json:"origin"`
	Size      int64           `json:"size"`               // entries
	Root      string          `json:"root,omitempty"`     // of the tree of all entries, base64; empty while there is none
	Line      string          `json:"line,omitempty"`     // to be kept elsewhere: "ledger <origin> <size> <root>"; empty while there is no entry
	Batches   int64           `json:"batches"`            // numbers that are used up
	Committed time.Time       `json:"committed,omitzero"` // when it was last followed to its end; zero = not since this process started
	Owed      int             `json:"owed"`               // entries of this replica that it does not have yet
	Waits     *LedgerWaits    `json:"waits,omitempty"`    // those of them whose object no sink was seen to have; nil = none
	Keys      []string        `json:"keys"`               // the verifier keys of key_file
	Problems  []LedgerProblem `json:"problems"`           // that the last commit found
	Stamps    []LedgerAnchor  `json:"stamps"`             // of each time-stamping authority
	Witnesses []LedgerAnchor  `json:"witnesses"`          // of each witness
	Error     string          `json:"error,omitempty"`    // of the last commit
	Hint      string          `json:"hint,omitempty"`     // what to do about it
}

// LedgerWaits are entries of which no sink was seen to have the object: it was never stored,
// or can't be looked for.
type LedgerWaits struct {
	Count int       `json:"count"`
	Since time.Time `json:"since"` // when this process saw the first of them
	Key   string    `json:"key"`   // of that one
}

// LedgerProblem is something that is wrong with the ledger.
type LedgerProblem struct {
	Kind   string `json:"kind"` // such as "forked"
	Sink   string `json:"sink"` // empty for what an authority or a witness says
	Key    string `json:"key"`  // of the object that it is about
	Detail string `json:"detail"`
}

// LedgerAnchor is how far a time-stamping authority or a witness has vouched for the
// ledger.
type LedgerAnchor struct {
	Name   string    `json:"name"`
	Size   int64     `json:"size"`                     // entries of the last checkpoint that it vouched for; 0 = none
	At     time.Time `json:"at,omitzero"`              // when, by its clock
	Offset *int64    `json:"offset_seconds,omitempty"` // how far this machine's clock was ahead of the authority's; nil = it was not asked by this process
	Error  string    `json:"error,omitempty"`          // of the last attempt
	Hint   string    `json:"hint,omitempty"`           // what to do about it
}
