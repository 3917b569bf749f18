package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"packseal.example/archive/ledger"
	"packseal.example/config"
	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

func newLedgerInit() *cobra.Command {
	c := &cobra.Command{
		Use: "init", Short: "Make the key of a ledger", Args: noArgs,
		Long: `init makes the key that signs the ledger, writes it to ledger.key_file, which its owner
alone can read, and prints the verifier key, which auditors get. It never replaces a
key. Of the configuration it needs ledger.origin and ledger.key_file alone.

With --next it makes the key that is to follow, and adds it to key_file as a second
line: give all replicas that file. From then on the daemon signs with both, and
after ledger.overlap with the next one alone; then the first line can go.`,
		Example: "  packseal ledger init --config packseal.yaml > audit.vkey\n  packseal ledger init --config packseal.yaml --next",
	}
	path := configFlag(c)
	next := c.Flags().Bool("next", false, "add the key that is to follow the one that is there")
	c.RunE = func(c *cobra.Command, _ []string) error {
		file, err := config.Find(*path)
		if err != nil {
			return err
		}
		l, err := config.LoadLedger(file)
		if err != nil {
			return err
		}
		key, verifier, err := ledger.GenerateKey(l.Origin)
		if err != nil {
			return err
		}
		if *next {
			err = addKey(l, key.Reveal())
		} else {
			err = writeKey(string(l.KeyFile), key.Reveal())
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "%s holds the key. Keep a copy of it offline: without it the ledger can't go on.\nThis is what auditors get:\n", l.KeyFile)
		_, err = fmt.Fprintln(c.OutOrStdout(), verifier)
		return err
	}
	return c
}

// writeKey writes a key into a file that is not there yet.
func writeKey(name, key string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, "%s is there already, and is not replaced", name).
			WithHint("to exchange the key, packseal ledger init --next adds the one that is to follow")
	}
	if err != nil {
		return err
	}
	if uid, other := diag.OtherOwner(filepath.Dir(name)); other { // root makes it for whoever has the folder
		if err := f.Chown(int(uid), -1); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return finishKey(f, key)
}

// addKey adds the next key to the file of one. It is not written anew: the file may be
// somebody else's.
func addKey(l config.Ledger, key string) error {
	keys, err := ledger.ReadKeys(l.KeyFile, l.Origin)
	if err != nil {
		return err
	}
	if len(keys.Verifiers()) > 1 {
		return fault.New(fault.Conflict, "%s holds the next key already", l.KeyFile).WithHint("remove its first line once the ledger is signed with the second key alone")
	}
	f, err := os.OpenFile(string(l.KeyFile), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	last := make([]byte, 1)
	if size, err := f.Seek(-1, io.SeekEnd); err != nil {
		return errors.Join(err, f.Close())
	} else if _, err := f.ReadAt(last, size); err != nil {
		return errors.Join(err, f.Close())
	}
	if last[0] != '\n' {
		key = "\n" + key
	}
	return finishKey(f, key)
}

// finishKey writes a key's line, and closes the file.
func finishKey(f *os.File, key string) error {
	_, err := io.WriteString(f, key+"\n")
	return errors.Join(err, f.Sync(), f.Close())
}
