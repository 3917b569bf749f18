package web

import "packseal.example/internal/evidence"

// ledgerTroubles returns the sentences of the headline that the ledger gives cause for,
// itself or by what verification found; ledger is nil if there is none.
func (p page) ledgerTroubles(ledger *evidence.LedgerStatus, v Verified) (sentences []string) {
	found := make(map[string]int)
	if ledger != nil {
		for _, problem := range ledger.Problems {
			found[problem.Kind]++
		}
	}
	if found["forked"]+found["rolled_back"]+v.Problems["forked"]+v.Problems["rolled_back"] > 0 {
		sentences = append(sentences, p.L.ledgerForked)
	}
	if found["altered"]+found["void"]+v.Problems["void"] > 0 {
		sentences = append(sentences, p.L.ledgerTampered)
	}
	if n := v.Problems["unlogged"] + v.Problems["unarchived"]; n > 0 {
		sentences = append(sentences, p.L.ledgerDiffers(n))
	}
	if ledger != nil && ledger.Owed > 0 && ledger.Error != "" {
		sentences = append(sentences, p.L.ledgerStalled(ledger.Owed))
	}
	return sentences
}
