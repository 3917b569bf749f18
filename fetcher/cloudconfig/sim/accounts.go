package sim

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// mainAccount is the ID of the user's account, which manages the Resource Directory.
const mainAccount = "1234567890123456"

// Account is a member account of the Resource Directory that the user's account
// manages. Its packs are those with its ID as Member.
type Account struct {
	ID       string // digits; required
	Name     string // the display name; default 成员 and the ID
	Status   string // default CreateSuccess
	Deletion string // Checking, Deleting, CheckFailed or DeleteFailed; empty = nobody deletes it
	Folders  []string
	Tags     map[string]string

	Role       string    // the only role in it that can be assumed; default packseal
	ExternalID string    // that its trust policy demands; empty = none
	Untrusting bool      // its trust policy does not name the user
	Failures   []Failure // of AssumeRole, and of calls with the role's keys that are about no pack, in order
}

// memberAccount is the state of a member account.
type memberAccount struct {
	Account
	faults *faults
}

// path returns the folders of the account as the API writes them.
func (a *memberAccount) path() string {
	return strings.Join(slices.Concat([]string{"rd-sim001", "r-sim001"}, a.Folders, []string{a.ID}), "/")
}

// SetAccount adds a member account, or replaces the one of its ID.
func (s *Server) SetAccount(a Account) error {
	if a.ID == "" || strings.Trim(a.ID, "0123456789") != "" || a.ID == mainAccount {
		return fmt.Errorf("account %q: not the ID of a member", a.ID)
	}
	a.Name, a.Status, a.Role = cmp.Or(a.Name, "成员 "+a.ID), cmp.Or(a.Status, "CreateSuccess"), cmp.Or(a.Role, "packseal")
	state := &memberAccount{a, newFaults(Script{Failures: a.Failures})}
	s.mu.Lock()
	i := slices.IndexFunc(s.accounts, func(o *memberAccount) bool { return o.ID == a.ID })
	s.accounts = slices.Clone(s.accounts)
	if i >= 0 {
		s.accounts[i] = state
	} else {
		s.accounts = append(s.accounts, state)
	}
	s.mu.Unlock()
	if i >= 0 {
		return nil
	}
	return errors.Join(s.Add(Pack{ID: allRules, Member: a.ID}), s.Add(Pack{ID: inventory, Member: a.ID}))
}

// RemoveAccount takes a member account out of the directory. Its roles can't be assumed
// any more; keys that are out stay good until they expire.
func (s *Server) RemoveAccount(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts = slices.DeleteFunc(slices.Clone(s.accounts), func(a *memberAccount) bool { return a.ID == id })
}

// accountOf returns a member account, or nil.
func (s *Server) accountOf(id string) *memberAccount {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i := slices.IndexFunc(s.accounts, func(a *memberAccount) bool { return a.ID == id }); i >= 0 {
		return s.accounts[i]
	}
	return nil
}

// Fail adds failures of calls with the user's own keys that are about no pack, such as
// listings.
func (s *Server) Fail(failures ...Failure) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.failures = append(s.faults.failures, newFaults(Script{Failures: failures}).failures...)
}

// scripted returns the faults for a call.
func (s *Server) scripted(q *request) *faults {
	if p := s.named(q); p != nil {
		return p.faults
	}
	id := q.member()
	if q.action() == assumeRole {
		id, _, _ = parseRole(q.params.Get("RoleArn"))
	}
	if a := s.accountOf(id); a != nil {
		return a.faults
	}
	return s.faults
}

// listAccounts lists the member accounts, by numbered pages or by tokens. The opaque
// NextToken holds the index in the list.
func (s *Server) listAccounts(q *request) (any, *refusal) {
	if q.member() != "" {
		return nil, Failure{Code: "NoPermission"}.worded("You are not authorized to do this action: the account does not manage the resource directory.")
	}
	number, size, refused := q.page()
	if refused != nil {
		return nil, refused
	}
	from := (number - 1) * size
	byToken := q.params.Get("MaxResults") != ""
	if byToken {
		var ok bool
		if size, ok = q.number("MaxResults", 10, maxPage); !ok {
			return nil, invalid("MaxResults")
		}
		from = 0
		if token := q.params.Get("NextToken"); token != "" {
			index, _ := base64.URLEncoding.DecodeString(token) // Atoi fails if this does
			var err error
			if from, err = strconv.Atoi(string(index)); err != nil || from < 1 {
				return nil, invalid("NextToken")
			}
		}
	}
	all := s.listed(q)
	from = min(from, len(all))
	to := min(from+size, len(all))
	out := accountList{Accounts: accountPage{Account: []accountItem{}}, RequestId: q.id, TotalCount: len(all), PageNumber: number, PageSize: size}
	for _, a := range all[from:to] {
		out.Accounts.Account = append(out.Accounts.Account, a.item(q.params.Get("IncludeTags") == "true"))
	}
	if byToken && to < len(all) {
		out.NextToken = base64.URLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	return out, nil
}

// listed returns the accounts that a call lists: those that have all its tags, and the
// keyword in their names.
func (s *Server) listed(q *request) (all []*memberAccount) {
	s.mu.RLock()
	defer s.mu.RUnlock()
next:
	for _, a := range s.accounts {
		for i := 1; ; i++ {
			tag := "Tag." + strconv.Itoa(i)
			key := q.params.Get(tag + ".Key")
			if key == "" {
				break
			}
			if value, ok := a.Tags[key]; !ok || q.params.Has(tag+".Value") && value != q.params.Get(tag+".Value") {
				continue next
			}
		}
		if strings.Contains(a.Name, q.params.Get("QueryKeyword")) {
			all = append(all, a)
		}
	}
	return all
}

// item returns the account as lists show it.
func (a *memberAccount) item(withTags bool) accountItem {
	folder := "r-sim001"
	if len(a.Folders) > 0 {
		folder = a.Folders[len(a.Folders)-1]
	}
	item := accountItem{
		AccountId: a.ID, DeletionStatus: a.Deletion, DisplayName: a.Name, FolderId: folder, JoinMethod: "created",
		ResourceDirectoryId: "rd-sim001", ResourceDirectoryPath: a.path(), Status: a.Status, Type: "ResourceAccount",
	}
	if strings.HasPrefix(a.Status, "Invite") {
		item.JoinMethod, item.Type = "invited", "CloudAccount"
	}
	if withTags {
		item.Tags = &accountTags{Tag: []accountTag{}}
		for _, key := range slices.Sorted(maps.Keys(a.Tags)) {
			item.Tags.Tag = append(item.Tags.Tag, accountTag{key, a.Tags[key]})
		}
	}
	return item
}
