package docstest

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// retired are words that stood for something that the field has a name for, by
// where they must not come back. They are patterns of whole words.
var retired = []struct{ in, words, instead string }{
	{"", `houses?`, "components"},
	{"", `mend(s|ed|ing)?`, "repair, fix; backfill"},
	{"", `couriers?`, "dispatcher"},
	{"", `tellers?`, "leader"},
	{"", `tall(y|ies)`, "catalog; counts"},
	{"", `rosters?|lookouts?|sightings?`, "members, detector"},
	{"", `honours?|honoured`, "supports, conditional"},
	{"", `beaten`, "isConflict"},
	{"", `agenda`, "due queue"},
	{"", `rouse(s|d)?`, "watchdog, restart"},
	{"", `stakes?`, "allocation"},
	{"", `once and for ever|what came of (it|them)|puts the beginning off|not to be had|nobody was let try|who works on (it|what)|takes himself for`, "plain words"},
	{"archive/", `books?`, "store"},
	{"scheduler/", `boards?|peek`, "kv, get"},
	{"scheduler/", `book|debts?|owe|paid|places|giveUp|pace`, "inflight, enqueue, done, permits, expirePaused, timing"},
	{"sink/", `silence|pushed|prove(s|d)?`, "timeouts, stallReader, probeConditional"},
	{"test/", `worlds?|slates?|cables?|seats?|cast|lives`, "lab, fakekv, faultyconn"},
}

// retiredFiles are names that files had, by folder.
var retiredFiles = map[string]string{
	"cmd/packseal/": "house follow engine tally", "daemon/": "house follow engine",
	"archive/": "tally", "notify/": "courier told waiting compose style words moment language",
	"scheduler/":       "wall mend agenda",
	"scheduler/queue/": "board book roster lookout sighting division stake places share pace hear ask hold stall read",
	"sink/s3/":         "settle prove silence bounded official", "fetcher/": "waiting",
}

// written are the extensions of files in which the words are looked for: code,
// pages, and what users read of what is deployed.
var written = []string{".go", ".md", ".yaml", ".service", ".tpl", ".txt", ".Debian"}

// allowed are lines that may have such a word: what is on disks and in buckets
// keeps its name.
var allowed = regexp.MustCompile(`packseal_board|packseal_queue_places|leaderLease = "teller"`)

// TestRetiredWords: no Go file, page or deployed file has a word again that was replaced by
// the field's own. The changelog tells of the past.
func TestRetiredWords(t *testing.T) {
	t.Parallel()
	patterns, words := make([]*regexp.Regexp, len(retired)), make([]string, len(retired))
	for i, r := range retired {
		patterns[i], words[i] = regexp.MustCompile(`\b(`+r.words+`)\b`), r.words
	}
	all := regexp.MustCompile(`\b(` + strings.Join(words, "|") + `)\b`) // one pass for most lines
	files := 0
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "dist"):
			return fs.SkipDir
		case d.IsDir(), !slices.Contains(written, path.Ext(name)), name == "CHANGELOG.md", d.Name() == "words_test.go":
			return nil
		}
		files++
		if base := strings.TrimSuffix(d.Name(), path.Ext(name)); contains(retiredFiles[path.Dir(name)+"/"], strings.TrimSuffix(base, "_test")) {
			t.Errorf("%s: the file's name is retired", name)
		}
		text, err := fs.ReadFile(os.DirFS(root), name)
		if err != nil {
			return err
		}
		number := 0
		for line := range strings.Lines(string(text)) {
			number++
			lower := strings.ToLower(line)
			if !all.MatchString(lower) || allowed.MatchString(line) {
				continue
			}
			for i, r := range retired {
				if word := patterns[i].FindString(lower); word != "" && strings.HasPrefix(name, r.in) {
					t.Errorf("%s:%d: %q is retired: %s", name, number, word, r.instead)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 200 {
		t.Errorf("only %d files were read", files)
	}
}

// contains reports whether a list of words has a word.
func contains(list, word string) bool {
	return strings.Contains(" "+list+" ", " "+word+" ")
}
