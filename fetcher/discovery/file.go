package discovery

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"packseal.example/internal/atomicfile"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// fileVersion is that of the file.
const fileVersion = 1

// maxFile bounds what is read, in bytes.
const maxFile = 256 << 20

// file is the content of the file.
type file struct {
	Version int              `json:"version"`
	Sources map[string]State `json:"sources"`
}

// path is that of the file in a state folder.
func path(stateDir string) string { return filepath.Join(stateDir, "discovered.json") }

// Load returns what is known of each source, by name, from the file in a state
// folder. Without a file nothing is known.
func Load(stateDir string) (map[string]State, error) {
	b, err := os.ReadFile(path(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var sources map[string]State
	if err == nil {
		sources, err = decodeFile(b)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path(stateDir), err)
	}
	return sources, nil
}

// decodeFile reads the content of the file.
func decodeFile(b []byte) (map[string]State, error) {
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fault.New(fault.Damaged, "what was discovered can't be read: %w", err).WithHint("remove the file: the next listing makes it anew")
	}
	if f.Version > fileVersion {
		return nil, fault.New(fault.Newer, "it is of a newer packseal").WithHint("run that version, or remove the file: the next listing makes it anew")
	}
	for name, s := range f.Sources {
		f.Sources[name] = s.usable()
	}
	return f.Sources, nil
}

// Save writes the file. It is durable when Save returns nil.
func Save(stateDir string, sources map[string]State) error {
	b, err := json.Marshal(file{fileVersion, sources})
	if err == nil {
		err = atomicfile.Write(path(stateDir), b, 0o640)
	}
	if err != nil {
		return fmt.Errorf("keeping what was discovered: %w", err)
	}
	return nil
}

// Encode returns the state as replicas share it.
func (s State) Encode() ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		err = json.NewEncoder(w).Encode(s)
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

// Decode reads what Encode has written.
func Decode(b []byte) (s State, err error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err == nil {
		err = json.NewDecoder(io.LimitReader(r, maxFile)).Decode(&s)
	}
	if err != nil {
		return State{}, fault.New(fault.Damaged, "reading what another replica has discovered: %w", err)
	}
	return s.usable(), nil
}

// usable returns the state without packs and accounts whose IDs can't be part of a name: files can
// be edited.
func (s State) usable() State {
	kept := s.Packs[:0]
	for _, p := range s.Packs {
		if (packID.MatchString(p.ID) || templateID.MatchString(p.ID)) && (p.Aggregator == "" || aggregatorID.MatchString(p.Aggregator)) {
			kept = append(kept, p)
		}
	}
	s.Packs = kept
	s.Accounts = slices.DeleteFunc(s.Accounts, func(a Account) bool { return !evidence.IsAccount(a.ID) })
	return s
}
