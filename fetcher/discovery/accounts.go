package discovery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Account is a member account of a Resource Directory that a source lists.
type Account struct {
	fetcher.AccountInfo
	Found  time.Time `json:"found,omitzero"`   // the look that found it; UTC, whole seconds; zero = it was there before all were listed for the first time
	Missed int       `json:"missed,omitempty"` // listings in a row that lacked it, or that showed it while it was being deleted
}

// maxAccounts ends a listing that no directory has.
const maxAccounts = 50_000

// accountListing is what one look at a directory showed.
type accountListing struct {
	accounts []fetcher.AccountInfo // each once
	read     bool                  // all are among them
}

// accountsTrouble is an error of listing accounts.
func accountsTrouble(err error) Trouble {
	t := newTrouble("", err)
	t.Accounts = true
	return t
}

// directory lists the accounts of the scope's directory, if it has one. What fails is
// a trouble.
func (f *listing) directory(ctx context.Context, l fetcher.Lister, s Scope) {
	if s.Directory == "" {
		return
	}
	d, ok := l.(fetcher.Directory)
	if !ok {
		f.troubles = append(f.troubles, accountsTrouble(fault.New(fault.Internal, "this kind of source lists no accounts")))
		return
	}
	f.members = new(accountListing)
	for a, err := range d.Accounts(ctx, s.Directory) {
		switch {
		case err == nil && len(f.members.accounts) == maxAccounts:
			err = fault.New(fault.Damaged, "listing accounts: more than %d", maxAccounts)
			fallthrough
		case err != nil:
			f.troubles = append(f.troubles, accountsTrouble(err))
			return
		case !evidence.IsAccount(a.ID):
			f.unusable("an account", a.ID)
		default:
			f.members.accounts = append(f.members.accounts, a)
		}
	}
	f.members.read = true
}

// maxNamed bounds how many accounts a message names.
const maxNamed = 5

// mergeAccounts takes over which accounts there are, from a listing of the directory.
// An account is gone only when two listings in a row lacked it. One that is being
// created is taken in once it is there, and one that is being deleted counts as not
// listed.
func (s *State) mergeAccounts(old State, l *listing, now time.Time, changes *Changes) {
	if l.members == nil {
		return // nobody wants to know any more
	}
	before := make(map[string]Account, len(old.Accounts))
	for _, a := range old.Accounts {
		before[a.ID] = a
	}
	if err := l.members.foreign(before); err != nil {
		l.members = &accountListing{}
		s.Troubles = append(s.Troubles, accountsTrouble(err))
	}
	var waiting []string
	s.AccountsListed = old.AccountsListed
	for _, info := range l.members.accounts {
		a, known := before[info.ID]
		switch {
		case info.Leaving(), !known && !info.Joined():
			waiting = append(waiting, info.ID)
			continue
		case !known && !old.AccountsListed.IsZero():
			a.Found = now
		}
		delete(before, info.ID)
		a.AccountInfo, a.Missed = info, 0
		s.Accounts = append(s.Accounts, a)
		if !known {
			changes.AccountsFound = append(changes.AccountsFound, a)
		}
	}
	for _, a := range before {
		if l.members.read {
			a.Missed++
		}
		if a.Missed < missedBefore {
			s.Accounts = append(s.Accounts, a)
		} else {
			changes.AccountsGone = append(changes.AccountsGone, a)
		}
	}
	for _, list := range [][]Account{s.Accounts, changes.AccountsFound, changes.AccountsGone} {
		slices.SortFunc(list, func(a, b Account) int { return cmp.Compare(a.ID, b.ID) })
	}
	if l.members.read {
		s.AccountsListed = now
	}
	if len(waiting) > 0 {
		s.Troubles = append(s.Troubles, Trouble{Accounts: true, Message: waitingMessage(waiting), Reason: fault.NotReady, Passing: true})
	}
}

// waitingMessage names the accounts that are left out.
func waitingMessage(ids []string) string {
	slices.Sort(ids)
	some := strings.Join(ids[:min(len(ids), maxNamed)], ", ")
	if more := len(ids) - maxNamed; more > 0 {
		some += fmt.Sprintf(" and %d more", more)
	}
	return "left out, because they are being created, joining or being deleted: accounts " + some
}

// foreign returns an error if a listing is that of another directory: it has none of
// the accounts that are known. One that was emptied can't be told from that.
func (l *accountListing) foreign(known map[string]Account) error {
	if !l.read || len(known) == 0 || slices.ContainsFunc(l.accounts, func(a fetcher.AccountInfo) bool { _, ok := known[a.ID]; return ok }) {
		return nil
	}
	return fault.New(fault.Credentials, "listing accounts: none of the %d accounts that were found before is among the %d of this directory", len(known), len(l.accounts)).
		WithHint("restore the credentials; another Resource Directory is a source of its own")
}
