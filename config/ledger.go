package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/stamp/tsa"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness"
	"packseal.example/archive/ledger/witness/cosignature"
	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/internal/units"
	"packseal.example/sink"
)

// Ledger is the signed list of what was kept and when, in the sinks beside the
// reports.
type Ledger struct {
	Origin    string        `yaml:"origin"`              // the ledger's name, for ever, like a URL without its scheme: example.com/packseal/audit; required
	KeyFile   secret.File   `yaml:"key_file"`            // holds the key that signs, and while it is exchanged the next one below it; packseal ledger init makes it; required
	Interval  time.Duration `yaml:"interval,omitempty"`  // how often what was kept is committed; default 10m
	Overlap   time.Duration `yaml:"overlap,omitempty"`   // how long the key before signs, too, after a key was exchanged; default 30d
	Succeeds  *Succeeds     `yaml:"succeeds,omitempty"`  // the ledger that this one goes on from, where that had to end; default none
	Stamps    []Stamp       `yaml:"stamps,omitempty"`    // time-stamping authorities that say when the ledger was how; default none
	Witnesses []Witness     `yaml:"witnesses,omitempty"` // witnesses that say that the ledger only grows; default none
}

// Succeeds says which ledger one goes on from. It becomes the first entry.
type Succeeds struct {
	Checkpoint string `yaml:"checkpoint"` // its last checkpoint that is to be believed, as a notice or packseal ledger status shows it: origin, size and root; required
	Reason     string `yaml:"reason"`     // why it ended, for auditors; required
}

// Stamp is a time-stamping authority (RFC 3161).
type Stamp struct {
	Name   string `yaml:"name"`              // in logs, metrics and storage keys; required
	URL    string `yaml:"url"`               // http:// will do: what it answers is signed; required
	CAFile string `yaml:"ca_file,omitempty"` // PEM certificates that its tokens' certificates lead to; default: the system's
}

// Witness cosigns checkpoints (C2SP tlog-witness).
type Witness struct {
	Name string `yaml:"name"` // in logs and metrics; required
	URL  string `yaml:"url"`  // what add-checkpoint is appended to; required
	Key  string `yaml:"key"`  // its verifier key, <name>+<key ID>+<base64>; required
}

// The limits of ledger.interval.
const (
	minInterval = time.Second
	maxInterval = units.Day
)

// maxReason bounds the reason for a ledger's end, in bytes.
const maxReason = 1000

// ledger checks the ledger, if there is one.
func (k *checker) ledger() {
	l := k.Ledger
	if l == nil {
		return
	}
	k.origin()
	k.ledgerKey()
	if i := l.Interval; i != 0 && (i < minInterval || i > maxInterval) {
		k.fail("ledger.interval", "from 1s to 1d; the default, 10m, is seldom too long", "%s", units.FormatDuration(i))
	}
	if l.Overlap != 0 && l.Overlap < 2*max(l.Interval, minInterval) {
		k.fail("ledger.overlap", "long enough to give every replica the next key: the default is 30d", "%s is less than two intervals", units.FormatDuration(l.Overlap))
	}
	k.succeeds()
	k.stamps()
	k.witnesses()
	if len(k.Sinks) == 0 {
		return
	}
	if w, ok := k.Sinks[0].Opener().(sink.Weakener); ok && w.Weaker() != "" {
		k.fail("ledger", fmt.Sprintf("remove %q from sinks[0], or make another sink the first", w.Weaker()),
			"it can't be kept in the first sink, %.64q: with %q, one part of it could replace another", k.Sinks[0].Name, w.Weaker())
	}
}

func (k *checker) origin() {
	if err := ledger.CheckOrigin(k.Ledger.Origin); k.Ledger.Origin == "" {
		k.fail("ledger.origin", fault.Hint(err), "missing: a ledger needs a name")
	} else if err != nil {
		k.fail("ledger.origin", fault.Hint(err), "%s", err)
	}
}

// initLedgerHint says where the key comes from.
const initLedgerHint = "packseal ledger init --config FILE makes the key"

// ledgerKey checks the file of the key.
func (k *checker) ledgerKey() {
	const path = "ledger.key_file"
	file := k.Ledger.KeyFile
	if file == "" {
		k.fail(path, "for example credentials/ledger-key; "+initLedgerHint, "missing")
		return
	}
	_, err := ledger.ReadKeys(file, k.Ledger.Origin)
	switch {
	case err == nil:
		k.problems = append(k.problems, file.CheckLines(path)...)
	case ledger.CheckOrigin(k.Ledger.Origin) == nil: // else it is of another in any case
		k.fail(path, cmp.Or(fault.Hint(err), "name a file that this user can read; "+initLedgerHint), "%s", err)
	}
}

// End returns the last checkpoint to be believed, in one line or as a notice shows it,
// after "ledger".
func (s Succeeds) End() (tree.Checkpoint, error) {
	words := strings.Fields(strings.TrimPrefix(s.Checkpoint, "ledger "))
	return tree.ParseCheckpoint(strings.Join(words, "\n") + "\n")
}

func (k *checker) succeeds() {
	s := k.Ledger.Succeeds
	if s == nil {
		return
	}
	const example = "its origin, size and root, such as example.com/packseal/audit 1234 yPW7p/LV…="
	end, err := s.End()
	switch {
	case err != nil:
		k.fail("ledger.succeeds.checkpoint", example, "%.200q is not a checkpoint", s.Checkpoint)
	case end.Origin == k.Ledger.Origin:
		k.fail("ledger.succeeds.checkpoint", "give this ledger another origin and another key", "the ledger that ended has the same origin, %.100q", end.Origin)
	}
	if s.Reason == "" || len(s.Reason) > maxReason {
		k.fail("ledger.succeeds.reason", fmt.Sprintf("why that ledger ended, in up to %d bytes", maxReason), "missing, or too long")
	}
}

func (k *checker) stamps() {
	first := map[string]int{}
	for i, s := range k.Ledger.Stamps {
		path := fmt.Sprintf("ledger.stamps[%d]", i)
		k.uniqueName("ledger.stamps", i, "an authority", s.Name, first)
		if _, stored, _ := tree.ParseStampKey(tree.StampKey(0, s.Name)); stored != s.Name && validName(s.Name) {
			k.fail(path+".name", "choose a name that does not end in a dot and 8 hex digits", "%.64q is kept for what %.64q says where its place is taken", s.Name, stored)
		}
		k.address(path+".url", s.URL, "http://timestamp.digicert.com")
		k.problems = append(k.problems, egress.CheckCA(path+".ca_file", s.CAFile)...)
	}
}

func (k *checker) witnesses() {
	first := map[string]int{}
	for i, w := range k.Ledger.Witnesses {
		path := fmt.Sprintf("ledger.witnesses[%d]", i)
		k.uniqueName("ledger.witnesses", i, "a witness", w.Name, first)
		u := k.address(path+".url", w.URL, "https://witness.example.com")
		if u != nil && u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
			k.fail(path+".url", "use https", "%.200q is asked in cleartext", w.URL)
		}
		if _, err := cosignature.NewVerifier(w.Key); err != nil {
			k.fail(path+".key", fault.Hint(err), "%s", err)
		}
	}
}

// address checks the address of a service, and returns it if it is one.
func (k *checker) address(path, text, example string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		k.fail(path, "such as "+example, "%.200q is not an address without a user, a query and a fragment", redacted(text))
		return nil
	}
	return u
}

// redacted leaves out what may be a password.
func redacted(address string) string {
	if before, rest, ok := strings.Cut(address, "://"); ok {
		if i := strings.LastIndex(rest, "@"); i >= 0 {
			return before + "://…" + rest[i:]
		}
	}
	return address
}

// Authorities returns clients of the time-stamping authorities. agent is their
// User-Agent.
func (l *Ledger) Authorities(agent string) (all []*tsa.Client, err error) {
	for _, s := range l.Stamps {
		c, err := tsa.New(tsa.Options{Name: s.Name, URL: s.URL, CAFile: s.CAFile, Agent: agent})
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// Cosigners returns clients of the witnesses. agent is their User-Agent.
func (l *Ledger) Cosigners(agent string) (all []*witness.Client, err error) {
	for _, w := range l.Witnesses {
		c, err := witness.New(witness.Options{Name: w.Name, URL: w.URL, Key: w.Key, Agent: agent})
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// LoadLedger reads the settings of the ledger, of which the file of the key need not be
// there yet; the rest of the file is not judged. An error is an *Error.
func LoadLedger(path string) (Ledger, error) {
	b, err := read(path)
	if err != nil {
		return Ledger{}, newError([]Fault{{Problem: fault.Problem{Message: err.Error()}, File: path}})
	}
	c := decode(path, b)
	faults := slices.DeleteFunc(located(c.file, c.doc), func(f Fault) bool { return f.Path != "ledger" && !strings.HasPrefix(f.Path, "ledger.") })
	if c.Ledger == nil && len(faults) == 0 {
		faults = append(faults, c.Locate(fault.Problem{Path: "ledger", Message: "no ledger is configured", Hint: "ledger: {origin: example.com/packseal/audit, key_file: credentials/ledger-key}"}))
	}
	if len(faults) == 0 {
		k := &checker{Config: c}
		k.origin()
		if c.Ledger.KeyFile == "" {
			k.ledgerKey()
		}
		for _, p := range k.problems {
			faults = append(faults, c.Locate(p))
		}
	}
	if len(faults) > 0 {
		return Ledger{}, newError(faults)
	}
	return *c.Ledger, nil
}
