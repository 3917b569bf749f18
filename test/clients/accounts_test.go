package clients

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// testAccounts has the command list member accounts, and assume roles in them.
func testAccounts(t *testing.T, cmd *exec.Cmd) {
	l := lab.Open(t, lab.Options{Options: sim.Options{
		Accounts: []sim.Account{{ID: "1001", Name: "一", Tags: map[string]string{"env": "prod"}}, {ID: "1002", Name: "two", Status: "InviteSuccess"}, {ID: "1003", Name: "three", Untrusting: true}},
		Packs:    []sim.Pack{{ID: ordinary, Name: "main"}, {ID: ordinary, Name: "of the member", Member: "1001"}},
	}})
	cmd.Env = append(os.Environ(), "SIM_HOST="+strings.TrimPrefix(l.HTTP.URL, "http://"), "SIM_ID="+lab.KeyID, "SIM_SECRET="+lab.KeySecret,
		"SIM_ROLE=acs:ram::1001:role/packseal", "SIM_DENIED=acs:ram::1003:role/packseal")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v, calls %v\n%s", err, l.Calls(), stderr(err))
	}
	var got struct {
		Accounts, Packs []string
		Expiration      time.Time
		Refused         string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if diff := cmp.Diff([]string{"1001 一 CreateSuccess env=prod", "1002 two InviteSuccess ", "1003 three CreateSuccess "}, got.Accounts); diff != "" {
		t.Error(diff)
	}
	if left := time.Until(got.Expiration); strings.Join(got.Packs, ",") != "of the member" || got.Refused != "NoPermission" || left < 14*time.Minute || left > 16*time.Minute {
		t.Errorf("got %s", out)
	}
}
