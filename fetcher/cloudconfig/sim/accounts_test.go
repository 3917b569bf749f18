package sim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// keys are what calls are signed with.
type keys struct{ id, secret, token string }

// as makes a call of some version with the keys, signed by parameter.
func (k keys) as(t *testing.T, s http.Handler, version, action string, params ...string) (status int, body string) {
	t.Helper()
	p := url.Values{
		"Action": {action}, "Version": {version}, "AccessKeyId": {k.id}, "SignatureMethod": {"HMAC-SHA1"}, "SignatureVersion": {"1.0"},
		"SignatureNonce": {nonce()}, "Timestamp": {time.Now().UTC().Format("2006-01-02T15:04:05Z")}, "Format": {"JSON"},
	}
	if k.token != "" {
		p.Set("SecurityToken", k.token)
	}
	for i := 0; i < len(params); i += 2 {
		p.Set(params[i], params[i+1])
	}
	a := do(t, s, rpcCallWith("POST", p, k.secret))
	return a.Status, string(a.Body)
}

const (
	stsVersion       = "2015-04-01"
	directoryVersion = "2022-04-19"
)

// role assumes the role of an account.
func role(t *testing.T, s http.Handler, account string) keys {
	t.Helper()
	_, body := keys{keyID, secret, ""}.as(t, s, stsVersion, "AssumeRole", "RoleArn", "acs:ram::"+account+":role/packseal", "RoleSessionName", "test")
	var got struct {
		Credentials struct{ AccessKeyId, AccessKeySecret, SecurityToken string }
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Credentials.AccessKeyId == "" {
		t.Fatalf("%v in %s", err, body)
	}
	return keys{got.Credentials.AccessKeyId, got.Credentials.AccessKeySecret, got.Credentials.SecurityToken}
}

// TestRoles: the keys of a role show what its account has, for as long as they are
// good.
func TestRoles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, sim.Options{
			Accounts: []sim.Account{{ID: "1001"}, {ID: "1002", Failures: []sim.Failure{{Call: "ListCompliancePacks", Code: "NoPermission"}}}},
			Packs:    []sim.Pack{{ID: ordinary, Name: "main"}, {ID: ordinary, Name: "one", Member: "1001"}, {ID: ordinary, Name: "two", Member: "1002"}, {ID: "cp-g", Aggregator: "ca-1"}},
		})
		one, two := role(t, s, "1001"), role(t, s, "1002")
		for _, c := range []struct {
			keys
			action string
			params []string
			want   string
			lacks  string
		}{
			{keys{keyID, secret, ""}, "ListCompliancePacks", nil, `"main"`, `"one"`},
			{one, "ListCompliancePacks", nil, `"AccountId":1001,"CompliancePackId":"` + ordinary, `"main"`},
			{one, "ListAggregators", []string{"MaxResults", "100"}, `"Aggregators":[]`, "ca-1"},
			{one, "ListAggregateCompliancePacks", []string{"AggregatorId", "ca-1"}, "Invalid.AggregatorId.Value", ""},
			{one, "GetCompliancePackReport", []string{"CompliancePackId", ordinary}, `"AccountId":1001`, ""},
			{one, "GetCompliancePackReport", []string{"CompliancePackId", "cp-g"}, "Invalid.CompliancePackId.Value", ""},
			{two, "ListCompliancePacks", nil, "NoPermission", ""},
			{two, "ListCompliancePacks", nil, `"two"`, ""},
			{keys{one.id, one.secret, ""}, "ListCompliancePacks", nil, "InvalidSecurityToken", ""},
			{keys{one.id, two.secret, one.token}, "ListCompliancePacks", nil, "SignatureDoesNotMatch", ""},
		} {
			if _, body := c.as(t, s, "2020-09-07", c.action, c.params...); !strings.Contains(body, c.want) || c.lacks != "" && strings.Contains(body, c.lacks) {
				t.Errorf("%s with the keys of %.12s: %s, want %s", c.action, c.id, body, c.want)
			}
		}
		// The report of each account is its own.
		one.as(t, s, "2020-09-07", "GenerateCompliancePackReport", "CompliancePackId", ordinary)
		if s.Made("1001:"+ordinary) != 1 || s.Made(ordinary)+s.Made("1002:"+ordinary) != 0 {
			t.Error("the report was made in another account")
		}
		_, body := one.as(t, s, "2020-09-07", "GetCompliancePackReport", "CompliancePackId", ordinary)
		var got struct{ CompliancePackReport struct{ ReportUrl string } }
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if a := do(t, s, httptest.NewRequest("GET", got.CompliancePackReport.ReportUrl, nil)); a.Status != 200 || !strings.HasPrefix(string(a.Body), "\xD0\xCF\x11\xE0") {
			t.Errorf("the link: %d %.100s", a.Status, a.Body)
		}
		time.Sleep(time.Hour + time.Minute)
		if _, body := one.as(t, s, "2020-09-07", "ListCompliancePacks"); !strings.Contains(body, "InvalidSecurityToken.Expired") {
			t.Errorf("after an hour: %s", body)
		}
	})
}

// TestRefusedRoles: a role can be assumed by whom it trusts, if it is there.
func TestRefusedRoles(t *testing.T) {
	t.Parallel()
	s := newServer(t, sim.Options{Accounts: []sim.Account{
		{ID: "1001"}, {ID: "1002", Untrusting: true}, {ID: "1003", ExternalID: "x-1"}, {ID: "1004", Role: "auditor"},
		{ID: "1005", Failures: []sim.Failure{{Call: "AssumeRole", Code: "Throttling.User"}}},
	}})
	arn := func(account, name string) string { return "acs:ram::" + account + ":role/" + name }
	for _, c := range []struct {
		arn    string
		params []string
		status int
		want   string
	}{
		{arn("1001", "packseal"), nil, 200, `"Arn":"acs:ram::1001:assumed-role/packseal/test"`},
		{arn("1234567890123456", "any"), nil, 200, `"SecurityToken":"`},
		{arn("1002", "packseal"), nil, 403, "NoPermission"},
		{arn("1009", "packseal"), nil, 403, "NoPermission"},
		{arn("1003", "packseal"), nil, 403, "NoPermission"},
		{arn("1003", "packseal"), []string{"ExternalId", "x-1"}, 200, "Credentials"},
		{arn("1004", "packseal"), nil, 404, "EntityNotExist.Role"},
		{arn("1004", "auditor"), nil, 200, "Credentials"},
		{arn("1005", "packseal"), nil, 400, "Throttling.User"},
		{arn("1005", "packseal"), nil, 200, "Credentials"},
		{"role/packseal", nil, 400, "InvalidParameter.RoleArn"},
		{"", nil, 400, "MissingRoleArn"},
		{arn("1001", "packseal"), []string{"RoleSessionName", "a b"}, 400, "InvalidParameter.RoleSessionName"},
		{arn("1001", "packseal"), []string{"RoleSessionName", ""}, 400, "MissingRoleSessionName"},
		{arn("1001", "packseal"), []string{"DurationSeconds", "899"}, 400, "InvalidParameter.DurationSeconds"},
		{arn("1001", "packseal"), []string{"DurationSeconds", "3601"}, 400, "InvalidParameter.DurationSeconds"},
	} {
		status, body := keys{keyID, secret, ""}.as(t, s, stsVersion, "AssumeRole", append([]string{"RoleArn", c.arn, "RoleSessionName", "test"}, c.params...)...)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %v: %d %s, want %d %s", c.arn, c.params, status, body, c.status, c.want)
		}
	}
	if status, body := (keys{keyID, secret, ""}).as(t, s, "2020-09-07", "AssumeRole", "RoleArn", arn("1001", "packseal")); status != 400 || !strings.Contains(body, "InvalidVersion") {
		t.Errorf("of another version: %d %s", status, body)
	}
}

// TestListAccounts: by tokens as well as by numbered pages.
func TestListAccounts(t *testing.T) {
	t.Parallel()
	s := newServer(t, sim.Options{Accounts: []sim.Account{
		{ID: "1001", Name: "一号", Folders: []string{"fd-a", "fd-b"}, Tags: map[string]string{"env": "prod"}}, {ID: "1002", Deletion: "Checking"}, {ID: "1003", Status: "InviteSuccess"},
	}})
	user := keys{keyID, secret, ""}
	for _, c := range []struct {
		params []string
		has    []string
		lacks  string
	}{
		{nil, []string{`"TotalCount":3`, `"ResourceDirectoryPath":"rd-sim001/r-sim001/fd-a/fd-b/1001"`, `"FolderId":"fd-b"`, `"DeletionStatus":"Checking"`, `"JoinMethod":"invited"`, `"PageNumber":1`}, "Tags"},
		{[]string{"IncludeTags", "true"}, []string{`"Tags":{"Tag":[{"Key":"env","Value":"prod"}]}`, `"Tags":{"Tag":[]}`}, "NextToken"},
		{[]string{"MaxResults", "2"}, []string{`"1002"`, `"NextToken":"`}, `"1003"`},
		{[]string{"MaxResults", "2", "NextToken", "Mg=="}, []string{`"1003"`}, "NextToken"},
		{[]string{"MaxResults", "2", "NextToken", "bad"}, []string{"Invalid.NextToken.Value"}, "TotalCount"},
		{[]string{"PageSize", "2", "PageNumber", "2"}, []string{`"1003"`, `"TotalCount":3`}, `"1001"`},
		{[]string{"PageSize", "101"}, []string{"Invalid.PageSize.Value"}, "TotalCount"},
		{[]string{"MaxResults", "101"}, []string{"Invalid.MaxResults.Value"}, "TotalCount"},
		{[]string{"Tag.1.Key", "env", "Tag.1.Value", "prod"}, []string{`"1001"`, `"TotalCount":1`}, `"1002"`},
		{[]string{"QueryKeyword", "一"}, []string{`"TotalCount":1`}, `"1002"`},
	} {
		_, body := user.as(t, s, directoryVersion, "ListAccounts", c.params...)
		for _, want := range c.has {
			if !strings.Contains(body, want) {
				t.Errorf("%v lacks %s: %s", c.params, want, body)
			}
		}
		if strings.Contains(body, c.lacks) {
			t.Errorf("%v has %s: %s", c.params, c.lacks, body)
		}
	}
	if _, body := role(t, s, "1001").as(t, s, directoryVersion, "ListAccounts"); !strings.Contains(body, "NoPermission") {
		t.Errorf("a member lists: %s", body)
	}
	s.Fail(sim.Failure{Call: "ListAccounts", Code: "ServiceUnavailable"})
	if status, _ := user.as(t, s, directoryVersion, "ListAccounts"); status != 503 {
		t.Errorf("a failure: %d", status)
	}
	s.RemoveAccount("1001")
	if _, body := user.as(t, s, directoryVersion, "ListAccounts"); strings.Contains(body, `"1001"`) {
		t.Errorf("after it was removed: %s", body)
	}
	for _, bad := range []string{"", "x", "1234567890123456"} {
		if s.SetAccount(sim.Account{ID: bad}) == nil {
			t.Errorf("the member %q is taken", bad)
		}
	}
	if s.Add(sim.Pack{ID: "cp-1", Member: "1009"}) == nil {
		t.Error("a pack of nobody is taken")
	}
}
