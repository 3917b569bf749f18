package discovery

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
)

// directory is a source with a Resource Directory in memory.
type directory struct {
	source
	accounts []string // "1001", with "?" after those being created and "-" after those being deleted
	ends     error    // the listing ends so
	after    int      // this many accounts; 0 = all
}

func (d *directory) Accounts(_ context.Context, endpoint string) iter.Seq2[fetcher.AccountInfo, error] {
	return func(yield func(fetcher.AccountInfo, error) bool) {
		for i, a := range d.accounts {
			if d.after > 0 && i == d.after {
				break
			}
			id := strings.TrimRight(a, "?-!~")
			info := fetcher.AccountInfo{ID: id, Name: endpoint, Status: "CreateSuccess"}
			switch strings.TrimPrefix(a, id) {
			case "?":
				info.Status = "CreateVerifying"
			case "-":
				info.Deletion = "Deleting"
			case "!":
				info.Deletion = "DeleteFailed"
			case "~":
				info.Status = "PromoteFailed"
			}
			if !yield(info, nil) {
				return
			}
		}
		if d.ends != nil {
			yield(fetcher.AccountInfo{}, d.ends)
		}
	}
}

// ids are those of accounts.
func ids(accounts []Account) string {
	var all []string
	for _, a := range accounts {
		all = append(all, a.ID)
	}
	return strings.Join(all, " ")
}

// TestAccountsComeAndGo: an account is new once, and gone only after two listings
// without it, whatever else goes wrong.
func TestAccountsComeAndGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, st := &directory{}, State{}
		scope := Scope{Directory: "https://rd.example.com"}
		for i, step := range []struct {
			accounts []string
			ends     error
			after    int

			known, found, gone, reasons string
		}{
			{accounts: []string{"1003", "1001", "1002?"}, known: "1001 1003", found: "1001 1003", reasons: "~:not_ready"},
			{accounts: []string{"1003", "1001", "1002"}, known: "1001 1002 1003", found: "1002"},
			// Pages that shift, a listing that fails or ends early, and a status that is
			// no success say nothing of those that are known.
			{accounts: []string{"1001", "1002"}, known: "1001 1002 1003"},
			{accounts: []string{"1001", "1002~", "1003"}, known: "1001 1002 1003"},
			{accounts: []string{"1001", "1004", "1002"}, ends: fault.New(fault.Unavailable, "it broke"), after: 2, known: "1001 1002 1003 1004", found: "1004", reasons: ":unavailable"},
			{ends: fault.New(fault.Denied, "no"), known: "1001 1002 1003 1004", reasons: ":denied"},
			{ends: fault.New(fault.Denied, "no"), known: "1001 1002 1003 1004", reasons: ":denied"},
			// Of another directory, or of one that lists nobody.
			{accounts: []string{"2001"}, known: "1001 1002 1003 1004", reasons: ":credentials"},
			{accounts: []string{}, known: "1001 1002 1003 1004", reasons: ":credentials"},
			// Deleted, and with a deletion that failed.
			{accounts: []string{"1001-", "1002!", "1004"}, known: "1001 1002 1003 1004", reasons: "~:not_ready"},
			{accounts: []string{"1001-", "1002!", "1004"}, known: "1002 1004", gone: "1001 1003", reasons: "~:not_ready"},
			{accounts: []string{"1001", "1002", "1004"}, known: "1001 1002 1004", found: "1001"},
			// What can't be an account, and one that is there twice.
			{accounts: []string{"1001", "../x", "", "1002", "1004", "999999999999999999999"}, known: "1001 1002 1004", reasons: ":damaged :damaged :damaged"},
		} {
			d.accounts, d.ends, d.after = step.accounts, step.ends, step.after
			changes := d.lookAt(t, &st, scope)
			got := [4]string{ids(st.Accounts), ids(changes.AccountsFound), ids(changes.AccountsGone), st.reasons()}
			if want := [4]string{step.known, step.found, step.gone, step.reasons}; got != want {
				t.Errorf("step %d: got %q, want %q", i, got, want)
			}
		}
		if a := st.Accounts[0]; a.Found.IsZero() || a.Name != scope.Directory {
			t.Errorf("an account that came back is %+v", a)
		}
		if !st.Known() || st.AccountsListed.IsZero() {
			t.Error("not everything was listed")
		}
		b, err := st.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if shared, err := Decode(b); err != nil || fmt.Sprint(shared.Accounts) != fmt.Sprint(st.Accounts) || !shared.AccountsListed.Equal(st.AccountsListed) {
			t.Errorf("shared %+v, %v", shared, err)
		}
		if d.lookAt(t, &st, Scope{}); len(st.Accounts) > 0 {
			t.Errorf("accounts that nobody asks for are still known: %v", st.Accounts)
		}
	})
}

// lookAt is one look at the directory.
func (d *directory) lookAt(t *testing.T, st *State, scope Scope) Changes {
	t.Helper()
	next, changes, err := Refresh(t.Context(), d, "prod", scope, *st)
	if err != nil {
		t.Fatal(err)
	}
	*st = next
	return changes
}

// TestAccountsFailAlone: that accounts can't be listed does not concern packs, and the
// other way round.
func TestAccountsFailAlone(t *testing.T) {
	t.Parallel()
	d := &directory{source: source{packs: []string{"cp-1"}}, ends: fault.New(fault.Denied, "no")}
	st := State{}
	d.lookAt(t, &st, Scope{Directory: "x"})
	if !st.Known() || keysOf(st) != "cp-1" || !st.AccountsListed.IsZero() || fault.Of(st.Failing()) != fault.Denied {
		t.Errorf("%+v", st)
	}
	d = &directory{source: source{fails: map[string]error{"": fault.New(fault.Denied, "no")}}, accounts: []string{"1001"}}
	d.lookAt(t, &st, Scope{Directory: "x"})
	if keysOf(st) != "cp-1" || ids(st.Accounts) != "1001" || st.AccountsListed.IsZero() || fault.Of(st.Failing()) != fault.Denied {
		t.Errorf("%+v", st)
	}
	if x := (Scope{Directory: "x"}); !x.Equal(x) || x.Equal(Scope{}) || x.Equal(Scope{Directory: "y"}) {
		t.Error("a scope equals that of another directory")
	}
	if plain := (&source{}); slices.Contains([]string{""}, plain.refusesAccounts(t)) {
		t.Error("a source without accounts lists them")
	}
}

// refusesAccounts is why the source lists no accounts.
func (s *source) refusesAccounts(t *testing.T) string {
	st, _, err := Refresh(t.Context(), s, "prod", Scope{Directory: "x"}, State{})
	if err != nil || st.Failing() == nil {
		return ""
	}
	return st.Failing().Error()
}

func keysOf(st State) string { return keys(st.Packs) }
