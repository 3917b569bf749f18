package cloudconfig

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
)

// accountPage is a response with accounts.
func accountPage(next, total string, items ...string) *http.Response {
	return respond(200, fmt.Sprintf(`{"RequestId":"R","NextToken":%q,"TotalCount":%s,"Accounts":{"Account":[%s]}}`, next, total, strings.Join(items, ",")))
}

// TestAccounts: all pages are read, what is in them is made fit to be shown, and a
// listing that ends early, or never, is an error.
func TestAccounts(t *testing.T) {
	t.Parallel()
	item := func(id string) string {
		return fmt.Sprintf(`{"AccountId":%q,"DisplayName":"名","Status":"CreateSuccess"}`, id)
	}
	for name, c := range map[string]struct {
		pages []*http.Response
		ids   string
		calls int
		err   string
	}{
		"empty":                {[]*http.Response{accountPage("", "0")}, "", 1, ""},
		"two pages":            {[]*http.Response{accountPage("a", "3", item("1"), item("2")), accountPage("", "3", item("3"))}, "1 2 3", 2, ""},
		"one that moved":       {[]*http.Response{accountPage("a", "3", item("1"), item("2")), accountPage("", "2", item("2"), item("3"))}, "1 2 3", 2, ""},
		"one out of sight":     {[]*http.Response{accountPage("a", "3", item("1")), accountPage("", "3", item("3"))}, "1 3", 2, "it ended after 2 of 3 accounts"},
		"no total":             {[]*http.Response{accountPage("", `""`, item("1"))}, "1", 1, ""},
		"the same token":       {[]*http.Response{accountPage("a", "9", item("1")), accountPage("a", "9", item("2"))}, "1", 2, "the same NextToken twice"},
		"an ID that is number": {[]*http.Response{accountPage("", "1", `{"AccountId":1001,"Status":"InviteSuccess"}`)}, "1001", 1, ""},
		"no IDs":               {[]*http.Response{accountPage("", "0", `{"DisplayName":"x"}`)}, "", 1, ""},
		"denied":               {[]*http.Response{respond(403, `{"RequestId":"R","Code":"NoPermission","Message":"no"}`)}, "", 1, "NoPermission"},
		"no directory":         {[]*http.Response{respond(400, `{"RequestId":"R","Code":"ResourceDirectoryNotInUse","Message":"no"}`)}, "", 1, "ResourceDirectoryNotInUse"},
		"XML": {[]*http.Response{respond(200, `<ListAccountsResponse><RequestId>R</RequestId><TotalCount>1</TotalCount><Accounts><Account><AccountId>7</AccountId>`+
			`<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags></Account></Accounts></ListAccountsResponse>`)}, "7", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &stub{answer: func(n int, _ *http.Request) (*http.Response, error) { return c.pages[min(n, len(c.pages)-1)], nil }}
				var ids []string
				var failed error
				for a, err := range newTest(t, s).Accounts(t.Context(), "https://rd.example.com") {
					if err != nil {
						failed = err
						break
					}
					ids = append(ids, a.ID)
				}
				if got := strings.Join(ids, " "); got != c.ids || len(s.seen) != c.calls {
					t.Errorf("got %s in %d calls", got, len(s.seen))
				}
				if c.err == "" && failed != nil || c.err != "" && (failed == nil || !strings.Contains(failed.Error(), c.err)) {
					t.Errorf("error %v", failed)
				}
				if c.err == "NoPermission" && !strings.Contains(fault.Hint(failed), "resourcedirectory:ListAccounts") ||
					c.err == "ResourceDirectoryNotInUse" && !strings.Contains(fault.Hint(failed), "accounts.endpoint") {
					t.Errorf("hint %s", fault.Hint(failed))
				}
				if r := s.seen[0]; r.Host != "rd.example.com" || r.Header.Get("X-Acs-Version") != "2022-04-19" || r.URL.RawQuery != "IncludeTags=true&MaxResults=100" || r.Method != "POST" {
					t.Errorf("sent %s %s %v", r.Host, r.URL, r.Header)
				}
			})
		})
	}
}

// TestAccountTexts: names of accounts are written by whoever has the account.
func TestAccountTexts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(int, *http.Request) (*http.Response, error) {
			return accountPage("", "1", `{"AccountId":"1","DisplayName":"a\u001b[31m\nb\u202e`+strings.Repeat("界", 300)+`","Status":"Create\u0000Success","DeletionStatus":"Check\ning",`+
				`"FolderId":"fd-1\u0007","ResourceDirectoryPath":"rd-1/r-1/\u0007fd-1/1","Tags":{"Tag":[{"Key":"k\u0000","Value":"v\r\nw"}]}}`), nil
		}}
		for a, err := range newTest(t, s).Accounts(t.Context(), "rd.example.com") {
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(a.Name, "a[31m b界") || len(a.Name) > maxName {
				t.Errorf("the name is %q, %d bytes", a.Name, len(a.Name))
			}
			a.Name = ""
			want := fetcher.AccountInfo{ID: "1", Status: "CreateSuccess", Deletion: "Check ing", Folder: "fd-1", Path: "rd-1/r-1/fd-1/1", Tags: map[string]string{"k": "v  w"}}
			if diff := cmp.Diff(want, a); diff != "" {
				t.Error(diff)
			}
		}
	})
}
