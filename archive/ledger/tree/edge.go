package tree

import (
	"crypto/sha256"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Edge is a compact range [0,Size): all of a tree that is needed to go on from it.
// The zero Edge is the empty tree.
type Edge struct {
	Size   int64       // leaves
	Hashes []tlog.Hash // the roots of its perfect subtrees, from the left
}

// Append adds a leaf, in place: a copy of the edge is not to be used any more.
func (e *Edge) Append(leaf tlog.Hash) {
	merged := bits.TrailingZeros64(^uint64(e.Size)) // how many subtrees become one with it
	keep := len(e.Hashes) - merged
	for i := len(e.Hashes) - 1; i >= keep; i-- {
		leaf = tlog.NodeHash(e.Hashes[i], leaf)
	}
	e.Hashes = append(e.Hashes[:keep], leaf)
	e.Size++
}

// Add returns the edge after some entries.
func (e Edge) Add(entries []Entry) Edge {
	e.Hashes = slices.Clone(e.Hashes)
	for _, f := range entries {
		e.Append(f.Leaf())
	}
	return e
}

// Root folds the edge to the root of the tree.
func (e Edge) Root() tlog.Hash {
	if len(e.Hashes) == 0 {
		return sha256.Sum256(nil)
	}
	last := len(e.Hashes) - 1
	root := e.Hashes[last]
	for _, h := range slices.Backward(e.Hashes[:last]) {
		root = tlog.NodeHash(h, root)
	}
	return root
}

// Check returns an error if no tree has that edge.
func (e Edge) Check() error {
	if e.Size < 0 || len(e.Hashes) != bits.OnesCount64(uint64(e.Size)) {
		return damaged("an edge of %d hashes is not that of %d leaves", len(e.Hashes), e.Size)
	}
	return nil
}
