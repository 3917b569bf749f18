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
	Keys      []string        `json:"keys"`               // the verifier keys of key_file
	Problems  []LedgerProblem `json:"problems"`           // that the last commit found
	Error     string          `json:"error,omitempty"`    // of the last commit
	Hint      string          `json:"hint,omitempty"`     // what to do about it
}

// LedgerProblem is something that is wrong with the ledger.
type LedgerProblem struct {
	Kind   string `json:"kind"` // such as "forked"
	Sink   string `json:"sink"`
	Key    string `json:"key"` // of the object that it is about
	Detail string `json:"detail"`
}
