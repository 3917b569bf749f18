package config

import (
	"fmt"
	"slices"
	"strings"
)

// fewKeys is up to how many known keys a hint lists.
const fewKeys = 12

// unknownHint says what may have been meant by a key that is not known here.
func unknownHint(key string, known []string) string {
	if file := key + "_file"; slices.Contains(known, file) {
		return "secrets come from files or the environment: write it to a file of its own and name that with " + file
	}
	if near := Nearest(key, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if secretive(key) {
		return "secrets come from files or the environment, never from this file"
	}
	if len(known) <= fewKeys {
		return "known here: " + strings.Join(known, ", ")
	}
	return ""
}

// secretive reports whether the key looks as if a secret came after it.
func secretive(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"secret", "password", "token", "access_key"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// Nearest returns the known word that is a slip of the pen away, or "".
func Nearest(word string, known []string) string {
	best, limit := "", 1+min(len(word), 8)/4 // short words are near to everything
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

// distance is how many letters must be put in, left out or changed to make a
// into b (Levenshtein's).
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
