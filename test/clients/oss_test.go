package clients

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/sink/oss/ossfake"
	"packseal.example/test/lab"
)

// testOSS has the command write, read and list in the fake OSS.
func testOSS(t *testing.T, cmd *exec.Cmd) {
	fake := ossfake.New(lab.KeyID, lab.KeySecret)
	fake.AddBucket("evidence")
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	cmd.Env = append(os.Environ(), "OSS_URL="+server.URL, "OSS_ID="+lab.KeyID, "OSS_SECRET="+lab.KeySecret, "OSS_BUCKET=evidence")
	out, err := cmd.Output()
	if err != nil {
		for _, r := range fake.Requests() {
			t.Logf("%s %s: %s %d", r.Method, r.URL, r.Operation, r.Status)
		}
		t.Fatalf("%v\n%s", err, stderr(err))
	}
	var got struct {
		Listed                       []string
		Link, Again, Missing, Denied string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if diff := cmp.Diff([]string{"large", "审 计/a+b%20c&d=é'(1)!~*@:;,$.txt"}, got.Listed); diff != "" {
		t.Error(diff)
	}
	if got.Again != "409 FileAlreadyExists" || got.Missing != "404 NoSuchKey" || got.Denied != "403 SignatureDoesNotMatch" {
		t.Errorf("refusals: %s", out)
	}
	// ali-oss signs links to an address as if the bucket were in the name of the host.
	link, err := http.NewRequestWithContext(t.Context(), http.MethodGet, got.Link, nil)
	if err != nil {
		t.Fatal(err)
	}
	link.Host = "evidence.oss-cn-shanghai.aliyuncs.com"
	resp, err := http.DefaultClient.Do(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "report" {
		t.Errorf("the link: %s, %q, %v", resp.Status, body, err)
	}
}
