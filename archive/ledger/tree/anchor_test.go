package tree_test

import (
	"testing"

	"packseal.example/archive/ledger/tree"
)

func TestAnchorKeys(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "000", 1234: "x001/234"} {
		if got := tree.StampKey(n, "tsa.example-1"); got != "packseal-ledger/stamp/"+want+"/tsa.example-1.tsr" {
			t.Errorf("the key of a time-stamp is %s", got)
		}
		if got := tree.CosignatureKey(n, 0xab); got != "packseal-ledger/cosignature/"+want+"/000000ab" {
			t.Errorf("the key of a cosignature is %s", got)
		}
		if got, name, ok := tree.ParseStampKey(tree.StampKey(n, "a.tsr")); !ok || got != n || name != "a.tsr" {
			t.Errorf("read as %d %q %t", got, name, ok)
		}
		if got, id, ok := tree.ParseCosignatureKey(tree.CosignatureKey(n, 0xab)); !ok || got != n || id != 0xab {
			t.Errorf("read as %d %x %t", got, id, ok)
		}
	}
	beside := tree.Beside(tree.StampKey(7, "tsa.example-1"), []byte("x"))
	if n, name, ok := tree.ParseStampKey(beside); beside != "packseal-ledger/stamp/007/tsa.example-1.2d711642.tsr" || !ok || n != 7 || name != "tsa.example-1" {
		t.Errorf("%s, read as %d %q %t", beside, n, name, ok)
	}
	beside = tree.Beside(tree.CosignatureKey(7, 0xab), []byte("x"))
	if n, id, ok := tree.ParseCosignatureKey(beside); beside != "packseal-ledger/cosignature/007/000000ab.2d711642" || !ok || n != 7 || id != 0xab {
		t.Errorf("%s, read as %d %x %t", beside, n, id, ok)
	}
	for _, key := range []string{
		tree.CosignatureDir + "000/000000ab.2d71164", tree.CosignatureDir + "000/000000ab.2D711642", tree.CosignatureDir + "000/.2d711642",
		"", "stamp/000/a.tsr", tree.StampDir + "a.tsr", tree.StampDir + "000/a", tree.StampDir + "000/.tsr", tree.StampDir + "00/a.tsr", tree.StampDir + "001/234/a.tsr",
		tree.CosignatureDir + "000/ab", tree.CosignatureDir + "000/000000AB", tree.CosignatureDir + "000/000000abc", tree.CosignatureDir + "0/000000ab",
	} {
		if _, _, ok := tree.ParseStampKey(key); ok {
			t.Errorf("%q is the key of a time-stamp", key)
		}
		if _, _, ok := tree.ParseCosignatureKey(key); ok {
			t.Errorf("%q is the key of a cosignature", key)
		}
	}
}
