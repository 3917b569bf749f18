package strictyaml

import (
	"fmt"
	"strings"
)

// fewKeys is how many known keys a hint lists at most.
const fewKeys = 16

// KnownKeyHint is the hint for an unknown key: the known key that it resembles,
// or all of them if they are few.
func KnownKeyHint(key string, known []string) string {
	if near := Nearest(key, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) <= fewKeys {
		return "known here: " + strings.Join(known, ", ")
	}
	return ""
}

// Nearest returns the known word of which word is most likely a misspelling,
// or "".
func Nearest(word string, known []string) string {
	best, limit := "", 1+min(len(word), 8)/4 // any two short words are similar
	if len(word) > 64 {
		return ""
	}
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d <= limit {
			best, limit = k, d-1
		}
	}
	return best
}

// distance is the Levenshtein distance between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0] // of the row above
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
