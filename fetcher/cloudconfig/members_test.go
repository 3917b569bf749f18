package cloudconfig_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram/ramtest"
)

// TestMembers: the sources of member accounts see their own packs with the keys of
// their roles, which are asked for once; what one refuses is its trouble alone.
func TestMembers(t *testing.T) {
	t.Parallel()
	s, err := sim.New(sim.Options{
		AccessKeyID: keyID, AccessKeySecret: keySecret, RatePerSecond: 0,
		Accounts: []sim.Account{{ID: "31001"}, {ID: "31002", Role: "other"}, {ID: "31003", Untrusting: true}, {ID: "31004", ExternalID: "x-1"},
			{ID: "31005", Failures: []sim.Failure{{Call: "ListCompliancePacks", Code: "NoPermission", Times: 9}}},
			{ID: "31006", Failures: []sim.Failure{{Call: "AssumeRole", Code: "Throttling.User"}}}},
		Packs: []sim.Pack{{ID: "cp-1", Name: "main"}, {ID: "cp-1", Name: "one", Member: "31001"}, {ID: "cp-1", Name: "four", Member: "31004"}, {ID: "cp-1", Name: "six", Member: "31006"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	env := fetcher.Env{Logger: slog.New(slog.DiscardHandler)}
	options := cloudconfig.Options{Endpoint: server.URL, RequestsPerSecond: 1000, Credentials: &cloudconfig.Credentials{AccessKeyIDFile: file(t, "id", keyID), AccessKeySecretFile: file(t, "secret", keySecret)}}
	if env.Parent, err = options.Open(fetcher.Env{Logger: env.Logger}); err != nil {
		t.Fatal(err)
	}
	list := func(l fetcher.Source) (names string, err error) {
		for p, err := range l.(fetcher.Lister).Packs(t.Context(), "") {
			if err != nil {
				return names, err
			}
			names += p.Name + p.Account
		}
		return names, nil
	}
	for _, c := range []struct {
		account, names string
		reason         fault.Reason
		says, hint     string
	}{
		{"31001", "one31001", "", "", ""},
		{"31002", "", fault.Credentials, "EntityNotExist.Role", "create the role acs:ram::31002:role/packseal"},
		{"31003", "", fault.Credentials, "NoPermission", "allow sts:AssumeRole on acs:ram::31003:role/packseal"},
		{"31004", "four31004", "", "", ""},
		{"31005", "", fault.Denied, "ListCompliancePacks: NoPermission", "config:ListCompliancePacks"},
		{"31009", "", fault.Credentials, "EntityNotExist.Role", "create the role"}, // an STS that nobody answers for
		{"31006", "six31006", fault.Unavailable, "Throttling.User", ""},
	} {
		arn := "acs:ram::" + c.account + ":role/packseal"
		if c.account != "31009" {
			ramtest.Role(arn, s.ServeHTTP)
		}
		o := options
		o.Credentials = &cloudconfig.Credentials{RoleARN: arn}
		if c.account == "31004" {
			o.Credentials.ExternalID = "x-1"
		}
		member, err := o.Open(env)
		if err != nil {
			t.Fatal(err)
		}
		before := s.Calls()["AssumeRole"]
		for range 3 {
			names, err := list(member)
			if err == nil && names == c.names {
				continue
			}
			if fault.Of(err) != c.reason || c.reason == "" || !strings.Contains(err.Error(), c.says) || !strings.Contains(fault.Hint(err), c.hint) {
				t.Errorf("%s: %q, %v, hint %s", c.account, names, err, fault.Hint(err))
			}
		}
		if asked := s.Calls()["AssumeRole"] - before; c.reason == "" && asked != 1 {
			t.Errorf("%s: the role was assumed %d times", c.account, asked)
		}
	}
	if names, err := list(env.Parent); err != nil || names != "main1234567890123456" {
		t.Errorf("the source itself: %s, %v", names, err)
	}
	var ids []string
	for a, err := range env.Parent.(fetcher.Directory).Accounts(t.Context(), server.URL) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.ID)
	}
	if strings.Join(ids, " ") != "31001 31002 31003 31004 31005 31006" {
		t.Errorf("accounts %v", ids)
	}
}
