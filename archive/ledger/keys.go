package ledger

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// Keys are the signing keys of a ledger: one, or while keys are exchanged the one
// before and then the next one.
type Keys struct{ pairs []pair }

// pair is a key. Of others than this replica's own there is no signer.
type pair struct {
	signer   note.Signer
	verifier note.Verifier
	text     string // of the verifier
}

// GenerateKey makes a key for the log of that origin: what the key file holds, and
// what auditors get.
func GenerateKey(origin string) (key secret.Value, verifier string, err error) {
	if err := CheckOrigin(origin); err != nil {
		return "", "", err
	}
	k, v, err := note.GenerateKey(rand.Reader, origin)
	return secret.Value(k), v, err
}

// CheckOrigin returns an error for a text that can't be the name of a log.
func CheckOrigin(origin string) error {
	if origin == "" || strings.ContainsFunc(origin, func(r rune) bool { return r <= ' ' || r == '+' || r > '~' }) {
		return fault.New(fault.Request, "%.100q can't be the origin of a ledger", origin).
			WithHint(`a name like a URL without its scheme, such as "example.com/packseal/audit"`)
	}
	return nil
}

// ReadKeys reads the key file of the log of that origin: a line for each key, in the
// format of signed notes, the next one last.
func ReadKeys(file secret.File, origin string) (Keys, error) {
	lines, err := file.Lines()
	if err != nil {
		return Keys{}, err
	}
	var keys Keys
	for i, line := range lines {
		p, err := parseKey(line.Reveal())
		if err != nil {
			return Keys{}, fault.New(fault.Credentials, "line %d of %s is not the key of a ledger", i+1, file).
				WithHint("packseal ledger init writes one, beginning with PRIVATE+KEY+")
		}
		if p.signer.Name() != origin {
			return Keys{}, fault.New(fault.Credentials, "the key in line %d of %s is of the origin %.100q, not of %q", i+1, file, p.signer.Name(), origin).
				WithHint("set origin to the key's, or name the key file of this ledger")
		}
		keys.pairs = append(keys.pairs, p)
	}
	if len(keys.pairs) > 2 {
		return Keys{}, fault.New(fault.Credentials, "%s holds %d keys", file, len(keys.pairs)).WithHint("keep the one that signs and the next one")
	}
	return keys, nil
}

// parseKey reads a signing key, PRIVATE+KEY+<name>+<key ID>+<base64>. Its errors do
// not tell it.
func parseKey(line string) (p pair, err error) {
	signer, err := note.NewSigner(line)
	if err != nil {
		return p, err
	}
	p.signer, p.text = signer, verifierOf(line)
	p.verifier, err = note.NewVerifier(p.text)
	return p, err
}

// verifierOf returns the verifier key of a signing key.
func verifierOf(line string) string {
	part := strings.SplitN(line, "+", 5) // PRIVATE, KEY, name, ID, key
	seed, _ := base64.StdEncoding.DecodeString(part[4])
	public := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	return part[2] + "+" + part[3] + "+" + base64.StdEncoding.EncodeToString(append(seed[:1:1], public...))
}

// Verifiers returns the verifier keys, as auditors get them.
func (k Keys) Verifiers() (texts []string) {
	for _, p := range k.pairs {
		texts = append(texts, p.text)
	}
	return texts
}

// keyring is which keys count, and which of them sign.
type keyring struct {
	own   []pair
	known []knownKey // the older first
}

// knownKey is a key that signs the ledger, as the tip file has it.
type knownKey struct {
	Key          string    `json:"key"`
	Announced    bool      `json:"announced"`              // it signs; false = it is this replica's next one, and the ledger does not say so yet
	OverlapUntil time.Time `json:"overlap_until,omitzero"` // until when the key before signs, too; zero = it is not known
	verifier     note.Verifier
}

// newKeyring returns the keys that are known, and this replica's own.
func newKeyring(own Keys, known []knownKey) (*keyring, error) {
	k := &keyring{own: own.pairs}
	for _, have := range known {
		if err := k.learn(have); err != nil {
			return nil, err
		}
	}
	for i, p := range own.pairs {
		if k.find(p.verifier.KeyHash()) == nil {
			k.known = append(k.known, knownKey{Key: p.text, Announced: len(known) == 0 && i == 0, verifier: p.verifier})
		}
	}
	return k, nil
}

func (k *keyring) find(id uint32) *knownKey {
	for i := range k.known {
		if k.known[i].verifier.KeyHash() == id {
			return &k.known[i]
		}
	}
	return nil
}

// learn adds a key, or what is known of one.
func (k *keyring) learn(key knownKey) (err error) {
	if key.verifier, err = note.NewVerifier(key.Key); err != nil {
		return fault.New(fault.Damaged, "%.200q is not a verifier key", key.Key)
	}
	switch have := k.find(key.verifier.KeyHash()); {
	case have == nil:
		k.known = append(k.known, key)
	case !have.Announced || key.OverlapUntil.After(have.OverlapUntil):
		*have = key
	}
	return nil
}

// verifiers returns those of all keys that are known.
func (k *keyring) verifiers() note.Verifiers {
	var vs []note.Verifier
	for _, known := range k.known {
		vs = append(vs, known.verifier)
	}
	return note.VerifierList(vs...)
}

// signed notes whose signatures a batch has. A key without its predecessor's
// retires that: the overlap is over.
func (k *keyring) signed(ids []uint32) {
	first := len(k.known)
	for i := range k.known {
		if slices.Contains(ids, k.known[i].verifier.KeyHash()) {
			k.known[i].Announced = true
			first = min(first, i)
		}
	}
	if first < len(k.known) {
		k.known = slices.Clone(k.known[first:])
	}
}

func (k *keyring) signer(id uint32) note.Signer {
	for _, p := range k.own {
		if p.verifier.KeyHash() == id {
			return p.signer
		}
	}
	return nil
}

// of returns the signers of those keys, if this replica has all of them.
func (k *keyring) of(ids []uint32) (signers []note.Signer, ok bool) {
	for _, id := range ids {
		s := k.signer(id)
		if s == nil {
			return nil, false
		}
		signers = append(signers, s)
	}
	return signers, len(signers) > 0
}

// next returns the announcement of this replica's next key, if the ledger has none.
func (k *keyring) next(now time.Time, overlap time.Duration, tool string) (evidence.NextKey, bool) {
	last := k.own[len(k.own)-1]
	if len(k.own) < 2 || k.find(last.verifier.KeyHash()) == nil || k.find(last.verifier.KeyHash()).Announced {
		return evidence.NextKey{}, false
	}
	now = now.UTC().Truncate(time.Second)
	return evidence.NextKey{Key: last.text, OverlapUntil: now.Add(overlap), Schema: evidence.NextKeySchema, Since: now, Tool: tool}, true
}

// signers returns who signs now: the last key that was announced, and during its
// overlap the one before as well.
func (k *keyring) signers(now time.Time) (signers []note.Signer, err error) {
	over := false // the overlap of the key after
	for _, known := range slices.Backward(k.known) {
		if !known.Announced {
			continue
		}
		if s := k.signer(known.verifier.KeyHash()); s != nil && !over {
			signers = slices.Insert(signers, 0, s)
		}
		over = over || !known.OverlapUntil.IsZero() && !now.Before(known.OverlapUntil)
	}
	if len(signers) == 0 {
		return nil, fault.New(fault.Credentials, "the ledger is not signed with the key of key_file, but with %.200s", k.known[0].Key).
			WithHint("give key_file the key that signs; to exchange keys, add the next one below it (docs/ledger.md#keys)")
	}
	return signers, nil
}
