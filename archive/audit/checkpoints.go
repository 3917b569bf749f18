package audit

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness/cosignature"
	"packseal.example/internal/evidence"
)

// bundled is a checkpoint of a bundle.
type bundled struct {
	tree.Checkpoint
	n      int64
	name   string
	raw    []byte
	tokens map[string]string // names of files by authorities
}

// readCheckpoints reads them all. Nothing of them is believed yet.
func (a *audit) readCheckpoints() {
	byNumber := make(map[string]*bundled)
	for name := range a.below(CheckpointsDir) {
		number, _, extra := strings.Cut(strings.TrimPrefix(name, CheckpointsDir), ".")
		if extra {
			continue
		}
		n, ok := tree.ParseNumber(number)
		if !ok {
			a.found.add(Unreadable, name, saidNumber)
			continue
		}
		raw := a.read(name, maxSmall)
		text, _, _ := bytes.Cut(raw, []byte("\n\n"))
		c, err := tree.ParseCheckpoint(string(text) + "\n")
		if err != nil {
			if raw != nil {
				a.found.add(Unreadable, name, saidUnreadable, err)
			}
			continue
		}
		byNumber[number] = &bundled{Checkpoint: c, n: n, name: name, raw: raw, tokens: make(map[string]string)}
		a.checkpoints = append(a.checkpoints, byNumber[number])
	}
	for name := range a.below(CheckpointsDir) {
		number, rest, ok := strings.Cut(strings.TrimPrefix(name, CheckpointsDir), ".")
		authority, isToken := strings.CutSuffix(rest, ".tsr")
		switch c := byNumber[number]; {
		case !ok:
		case c == nil, !isToken && rest != "cosig":
			a.found.add(Unreadable, name, saidNoCheckpoint)
		case isToken:
			c.tokens[authority] = name
		}
	}
	slices.SortFunc(a.checkpoints, func(x, y *bundled) int { return cmp.Or(cmp.Compare(x.Size, y.Size), cmp.Compare(x.n, y.n)) })
}

// rehash computes the roots at the sizes of all checkpoints anew. It reports whether
// they are those of the checkpoints, and none is beyond the entries.
func (a *audit) rehash() bool {
	edge := a.edge
	edge.Hashes = slices.Clone(edge.Hashes)
	begin, last := edge.Size, edge.Size
	for _, c := range a.checkpoints {
		if c.Size < begin || c.Size > begin+int64(len(a.entries)) {
			a.found.add(Altered, c.name, saidBeyond, c.Size, begin, begin+int64(len(a.entries)))
			return false
		}
		for edge.Size < c.Size {
			edge.Append(a.entries[edge.Size-begin].Leaf())
		}
		if edge.Root() != c.Root {
			a.found.add(Altered, c.name, saidOtherRoot, last, c.Size, edge.Root(), c.Root)
			return false
		}
		last = c.Size
	}
	if end := begin + int64(len(a.entries)); last != end || len(a.checkpoints) == 0 {
		a.found.add(Altered, LeavesName, saidUncovered, end-last)
		return false
	}
	return true
}

// signed checks the signatures: by the keys that were given, and by those that the
// ledger announces under them. It reports whether the last checkpoint, which covers all
// that is in the bundle, has one.
func (a *audit) signed() (covered bool) {
	announced := a.announced()
	left, given := announced, slices.Clone(a.keys)
	unsigned := make(map[string]error)
	for _, c := range a.checkpoints {
		_, s, err := tree.OpenCheckpoint(c.raw, note.VerifierList(a.keys...))
		if covered = err == nil; !covered {
			unsigned[c.name] = err
			continue
		}
		a.Checkpoints++
		for len(left) > 0 && left[0].index < c.Size {
			a.learn(left[0].key)
			left = left[1:]
		}
		a.retire(announced[:len(announced)-len(left)], left, s.Keys)
	}
	if covered && a.succeeded(announced, given) {
		return true // those that are not signed by a known key are by the one before it
	}
	for _, c := range a.checkpoints {
		if err := unsigned[c.name]; err != nil {
			a.found.add(Unsigned, c.name, saidUnsigned, err)
		}
	}
	return covered
}

// announcement is a key that the ledger announces.
type announcement struct {
	index int64
	key   note.Verifier
}

// announced returns the keys that the ledger announces, in order.
func (a *audit) announced() (keys []announcement) {
	wanted := make(map[[sha256.Size]byte][]byte)
	for _, e := range a.entries {
		if isNextKey(e) {
			wanted[e.Sum] = nil
		}
	}
	a.findRecords(wanted)
	for i, e := range a.entries {
		if !isNextKey(e) {
			continue
		}
		k, err := evidence.DecodeNextKey(wanted[e.Sum], e.Key)
		if err != nil {
			continue // the statement says so
		}
		if v, err := note.NewVerifier(k.Key); err == nil && v.Name() == a.keys[0].Name() {
			keys = append(keys, announcement{a.edge.Size + int64(i), v})
		}
	}
	return keys
}

// isNextKey reports whether an entry announces a key. Of most entries the kind is
// expensive to tell.
func isNextKey(e tree.Entry) bool {
	return strings.HasPrefix(e.Key, tree.Dir) && e.Kind() == tree.NextKey
}

// findRecords looks for the ledger's own records by their sums.
func (a *audit) findRecords(wanted map[[sha256.Size]byte][]byte) {
	if len(wanted) == 0 || a.files[LedgerRecords] == nil {
		return
	}
	for line := range a.bundle.lines(LedgerRecords, maxStatement) {
		if raw, ok := wanted[sha256.Sum256(line)]; ok && raw == nil {
			wanted[sha256.Sum256(line)] = bytes.Clone(line)
		}
	}
}

// learn adds a key, if it is not known.
func (a *audit) learn(key note.Verifier) {
	if !slices.ContainsFunc(a.keys, func(k note.Verifier) bool { return same(k, key) }) {
		a.keys = append(a.keys, key)
	}
}

// retire forgets the keys before an announced one once that signs without them: the overlap
// is over. left are announced later.
func (a *audit) retire(announced, left []announcement, signed []uint32) {
	for i, n := range announced {
		if !slices.Contains(signed, n.key.KeyHash()) {
			continue
		}
		later := slices.Concat(announced[i:], left)
		before := func(k note.Verifier) bool {
			return !slices.ContainsFunc(later, func(l announcement) bool { return same(l.key, k) })
		}
		if !slices.ContainsFunc(a.keys, func(k note.Verifier) bool { return before(k) && slices.Contains(signed, k.KeyHash()) }) {
			a.keys = slices.DeleteFunc(a.keys, before)
		}
	}
}

func same(x, y note.Verifier) bool { return x.Name() == y.Name() && x.KeyHash() == y.KeyHash() }

// succeeded reports whether the ledger announces one of the keys that were given, so
// that an earlier one signed before.
func (a *audit) succeeded(announced []announcement, given []note.Verifier) bool {
	return slices.ContainsFunc(announced, func(n announcement) bool {
		return slices.ContainsFunc(given, func(k note.Verifier) bool { return same(k, n.key) })
	})
}

// checkTokens checks the tokens, on all processors.
func (a *audit) checkTokens() {
	type result struct {
		Stamp
		name string
		err  error
	}
	var jobs []*result
	var work sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, c := range a.checkpoints {
		for _, authority := range slices.Sorted(maps.Keys(c.tokens)) {
			name := c.tokens[authority]
			if a.Stamps == nil {
				a.Unchecked++
				continue
			}
			token := a.read(name, maxSmall)
			if token == nil {
				continue
			}
			job := &result{Stamp: Stamp{Size: c.Size, Name: authority}, name: name}
			jobs = append(jobs, job)
			turns <- struct{}{}
			work.Go(func() {
				job.Time, job.err = a.Stamps(token, c.raw)
				<-turns
			})
		}
	}
	work.Wait()
	for _, job := range jobs {
		if job.err != nil {
			a.found.add(Token, job.name, saidToken, job.err)
			continue
		}
		a.Tokens++
		a.stamps = append(a.stamps, job.Stamp)
	}
	if a.Stamps != nil && a.Tokens == 0 {
		a.found.add(Unstamped, "", saidNoToken)
	}
}

// checkWitnesses checks the cosignatures of the witnesses that were named. Each must
// have signed the last checkpoint, or an earlier one.
func (a *audit) checkWitnesses() {
	signed := make(map[string]bool)
	for _, c := range a.checkpoints {
		name := CosignaturesName(c.n)
		if len(a.witnesses) == 0 || a.files[name] == nil {
			continue
		}
		text, _, _ := strings.Cut(string(c.raw), "\n\n")
		for line := range a.bundle.lines(name, maxSmall) {
			l, err := cosignature.Parse(string(line) + "\n")
			if err != nil {
				a.found.add(Unwitnessed, name, saidUnreadable, err)
				continue
			}
			for _, w := range a.witnesses {
				if w.Name() != l.Name || w.KeyHash() != l.ID {
					continue
				}
				if err := l.Verify(text+"\n", w); err != nil {
					a.found.add(Unwitnessed, name, saidCosignature, w.Name(), err)
					continue
				}
				signed[w.Name()] = true
			}
		}
	}
	for _, w := range a.witnesses {
		if !signed[w.Name()] {
			a.found.add(Unwitnessed, w.Name(), saidNoCosignature)
		}
	}
	a.cosigned = slices.Sorted(maps.Keys(signed))
}
