package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/ledger"
)

// witnessKey is a key of the kind that signs cosignatures.
const witnessKey = "witness.example+3ac253b8+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// withLedger returns a configuration file with a ledger and its key, whose mode is
// given.
func withLedger(t *testing.T, origin, more string) (file, keyFile string) {
	t.Helper()
	key, _, err := ledger.GenerateKey("example.com/log")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keyFile, file = filepath.Join(dir, "key"), filepath.Join(dir, "packseal.yaml")
	write(t, keyFile, key.Reveal()+"\n", 0o600)
	write(t, file, minimal+"ledger:\n  origin: "+origin+"\n  key_file: key\n"+more, 0o600)
	return file, keyFile
}

// TestLedger: what is good is taken as it is written.
func TestLedger(t *testing.T) {
	t.Parallel()
	file, keyFile := withLedger(t, "example.com/log", `  interval: 5m
  overlap: 7d
  succeeds: {checkpoint: ledger example.com/before 1234 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=, reason: stolen}
  stamps: [{name: a, url: "http://a.example/tsr"}, {name: b, url: "https://b.example"}]
  witnesses: [{name: a, url: "http://127.0.0.1:1/w", key: `+witnessKey+`}]
`)
	c, warnings, err := Load(file)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("warnings %v\n%v", warnings, err)
	}
	l := c.Ledger
	if string(l.KeyFile) != keyFile || l.Interval != 5*time.Minute || l.Overlap != 7*24*time.Hour || len(l.Stamps) != 2 || l.Witnesses[0].Key != witnessKey {
		t.Errorf("got %+v", l)
	}
	if end, err := l.Succeeds.End(); err != nil || end.Origin != "example.com/before" || end.Size != 1234 {
		t.Errorf("it succeeds %s, %v", end, err)
	}
}

// TestLedgerKeyFile: a key of another ledger, and a file that others can read, are told of.
func TestLedgerKeyFile(t *testing.T) {
	t.Parallel()
	file, _ := withLedger(t, "example.com/other", "")
	if _, _, err := Load(file); err == nil || !strings.Contains(err.Error(), `ledger.key_file: the key in line 1 of `) || !strings.Contains(err.Error(), `is of the origin "example.com/log"`) {
		t.Errorf("another's key: %v", err)
	}
	file, keyFile := withLedger(t, "example.com/log", "")
	if err := os.Chmod(keyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, warnings, err := Load(file); err != nil || len(warnings) != 1 || warnings[0].Path != "ledger.key_file" || !strings.Contains(warnings[0].Message, "world-readable") {
		t.Errorf("warnings %v, %v", warnings, err)
	}
	if err := os.Chmod(keyFile, 0o440); err != nil { // as Kubernetes mounts it for a group
		t.Fatal(err)
	}
	if _, warnings, err := Load(file); err != nil || len(warnings) > 0 {
		t.Errorf("warnings %v, %v", warnings, err)
	}
}

// TestLoadLedger: the settings are read before there is a key, and whatever else is wrong.
func TestLoadLedger(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ledger: {origin: example.com/log, key_file: key}\n":            "",
		"packs: no\nledger: {origin: example.com/log, key_file: key}\n": "",
		"{}\n":                                "ledger: no ledger is configured",
		"ledger: {origin: example.com/log}\n": "ledger.key_file: missing",
		"ledger: {key_file: key}\n":           "ledger.origin: missing",
		"ledger: {origin: a b, key_file: key, interval: x}\n": "ledger.interval: ",
	} {
		file := filepath.Join(t.TempDir(), "packseal.yaml")
		write(t, file, text, 0o600)
		l, err := LoadLedger(file)
		if want == "" && (err != nil || l.Origin != "example.com/log" || string(l.KeyFile) != filepath.Join(filepath.Dir(file), "key")) {
			t.Errorf("%s: %+v, %v", text, l, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "hint: ")) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := LoadLedger(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is read")
	}
}
