// Package witness has checkpoints cosigned by witnesses (c2sp.org/tlog-witness): others
// who have seen the ledger before, and say that it has only grown since.
package witness

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness/cosignature"
	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
)

const (
	timeout     = 15 * time.Second // of a request
	maxAnswer   = 64 << 10         // bytes
	contentType = "text/plain; charset=utf-8"
	maxTries    = 4 // of a checkpoint, while the witness says that it is at another size
)

// Options configure a client. Required fields are marked.
type Options struct {
	Name  string // required; in logs and metrics
	URL   string // required; the submission prefix, to which /add-checkpoint is appended
	Key   string // required; its verifier key
	Agent string // User-Agent

	Transport http.RoundTripper // default that of package egress
}

// Client asks one witness. Its methods may be called from many goroutines.
type Client struct {
	Name string
	Key  *cosignature.Verifier
	post egress.Poster

	mu   sync.Mutex
	size int64 // that the witness has cosigned, as far as is known
}

// New makes a client. It accesses no network.
func New(o Options) (*Client, error) {
	key, err := cosignature.NewVerifier(o.Key)
	if err != nil {
		return nil, err
	}
	post, err := egress.NewPoster(egress.Poster{
		URL: strings.TrimSuffix(o.URL, "/") + "/add-checkpoint", Agent: o.Agent, HTTP: o.Transport, Timeout: timeout, Limit: maxAnswer,
	})
	if err != nil {
		return nil, err
	}
	return &Client{Name: o.Name, Key: key, post: post}, nil
}

// Ahead is the error for a witness that has cosigned a tree larger than the checkpoint's.
// Unless the ledger has grown since, it was rolled back, or there are two.
type Ahead struct {
	Name string // of the witness
	Size int64  // of the tree that it has cosigned
	Ours int64  // of the checkpoint
}

// Error tells the sizes.
func (e *Ahead) Error() string {
	return fmt.Sprintf("witness %s has cosigned a tree of %d entries, and the checkpoint is of %d", e.Name, e.Size, e.Ours)
}

// Forked is the error for a witness that has cosigned a tree which the checkpoint's does
// not contain: the key has signed two ledgers.
type Forked struct {
	Name string // of the witness
	Size int64  // of the tree that it has cosigned
	Text string // the witness's words
}

// Error tells it.
func (e *Forked) Error() string {
	return fmt.Sprintf("witness %s has cosigned a tree of %d entries that is not within this one: %.200q", e.Name, e.Size, e.Text)
}

// Prove returns the proof that a checkpoint's tree contains that of its first old entries.
type Prove func(ctx context.Context, old int64) (tlog.TreeProof, error)

// Cosign gets the witness's cosignature of a checkpoint, as it is stored, and checks it.
// The lines are that one and any with ML-DSA-44 beside it, which are not checked. The
// error is fault.Conflict (*[Ahead] or *[Forked] by errors.As) if the witness knows
// another ledger.
func (c *Client) Cosign(ctx context.Context, checkpoint []byte, prove Prove) ([]cosignature.Line, error) {
	want, err := parse(checkpoint)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	old := min(c.size, want.Size)
	c.mu.Unlock()
	for range maxTries {
		proof, err := prove(ctx, old)
		if err != nil {
			return nil, err
		}
		answer, err := c.post.Post(ctx, contentType, request(old, proof, checkpoint))
		if err != nil {
			return nil, c.failed(err)
		}
		lines, at, err := c.read(answer, old, want)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		c.size = at
		c.mu.Unlock()
		if lines != nil {
			return lines, nil
		}
		old = at
	}
	return nil, c.failed(fault.New(fault.Unavailable, "it is at another size each time it is asked"))
}

// Try asks the witness from nothing, and returns the size of the tree that it has cosigned
// by then, which may be more than the checkpoint's. A witness that never saw the ledger
// cosigns the checkpoint.
func (c *Client) Try(ctx context.Context, checkpoint []byte) (size int64, err error) {
	want, err := parse(checkpoint)
	if err != nil {
		return 0, err
	}
	answer, err := c.post.Post(ctx, contentType, request(0, nil, checkpoint))
	if err != nil {
		return 0, c.failed(err)
	}
	_, at, err := c.read(answer, 0, want)
	if e, ok := errors.AsType[*Ahead](err); ok {
		return e.Size, nil
	}
	return at, err
}

// parse reads what of a checkpoint is to be cosigned.
func parse(checkpoint []byte) (tree.Checkpoint, error) {
	text, _, ok := bytes.Cut(checkpoint, []byte("\n\n"))
	c, err := tree.ParseCheckpoint(string(text) + "\n")
	if err != nil || !ok {
		return c, fault.New(fault.Internal, "what is to be cosigned is not a checkpoint: %w", err)
	}
	return c, nil
}

// failed is the error for what c was asked.
func (c *Client) failed(err error) error {
	return fmt.Errorf("asking witness %s for a cosignature: %w", c.Name, err)
}

// request is the body of add-checkpoint.
func request(old int64, proof tlog.TreeProof, checkpoint []byte) []byte {
	b := fmt.Appendf(nil, "old %d\n", old)
	for _, h := range proof {
		b = append(base64.StdEncoding.AppendEncode(b, h[:]), '\n')
	}
	return append(append(b, '\n'), checkpoint...)
}

// read reads the answer to a request with that old size: the lines, or none and the size
// that the witness is at.
func (c *Client) read(a egress.Answer, old int64, want tree.Checkpoint) (lines []cosignature.Line, at int64, err error) {
	switch a.Status {
	case http.StatusConflict:
		at, err = size(a)
		switch {
		case old == want.Size && (err != nil || at == old): // one size, two roots
			return nil, 0, fault.Wrap(fault.Conflict, &Forked{c.Name, old, string(a.Body)})
		case err != nil:
			return nil, 0, c.failed(err)
		case at > want.Size:
			return nil, 0, fault.Wrap(fault.Conflict, &Ahead{c.Name, at, want.Size})
		case at == old:
			return nil, 0, c.failed(fault.New(fault.Damaged, "it is at the size %d that it was asked from, and refuses", at))
		}
		return nil, at, nil
	case http.StatusUnprocessableEntity:
		return nil, 0, fault.Wrap(fault.Conflict, &Forked{c.Name, old, string(a.Body)})
	case http.StatusForbidden:
		return nil, 0, c.failed(fault.New(fault.Denied, "it knows no key that signed the checkpoint: %.200q", a.Body).
			WithHint("ask its operator to add the ledger's verifier key, which packseal ledger status shows"))
	case http.StatusNotFound:
		return nil, 0, c.failed(fault.New(fault.NotFound, "it does not know the ledger %s: %.200q", want.Origin, a.Body).
			WithHint("check its address, and ask its operator to add the ledger: origin and verifier key"))
	}
	if err := c.post.Refusal(a); err != nil {
		return nil, 0, c.failed(err)
	}
	lines, err = c.lines(string(a.Body), want.Text())
	return lines, want.Size, err
}

// size reads the size that a witness is at.
func size(a egress.Answer) (int64, error) {
	digits, ok := strings.CutSuffix(string(a.Body), "\n")
	n, err := strconv.ParseInt(digits, 10, 64)
	if kind, _, _ := strings.Cut(a.Type, ";"); !ok || err != nil || n < 0 || strconv.FormatInt(n, 10) != digits || strings.TrimSpace(kind) != "text/x.tlog.size" {
		return 0, fault.New(fault.Damaged, "it says that it is at another size, and not at which: %.200q, of type %.100q", a.Body, a.Type)
	}
	return n, nil
}

// lines returns the witness's cosignature, which is checked, and then those of that name
// that can't be. Lines of others are passed over.
func (c *Client) lines(body, text string) (lines []cosignature.Line, err error) {
	var unverifiable []cosignature.Line
	for s := range strings.Lines(body) {
		l, err := cosignature.Parse(s)
		switch {
		case err != nil:
			return nil, c.failed(err)
		case l.Name == c.Key.Name() && l.ID == c.Key.KeyHash():
			if err := l.Verify(text, c.Key); err != nil {
				return nil, c.failed(err)
			}
			lines = append(lines, l)
		case l.Name == c.Key.Name() && l.Unverifiable():
			unverifiable = append(unverifiable, l)
		}
	}
	if len(lines) != 1 {
		return nil, c.failed(fault.New(fault.Damaged, "it answered with %d lines of its key %08x, not one", len(lines), c.Key.KeyHash()).
			WithHint("check its key"))
	}
	return append(lines, unverifiable...), nil
}
