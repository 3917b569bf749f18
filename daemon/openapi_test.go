package daemon

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
	"packseal.example/test/openapi"
)

// settled is a daemon with a sealed pack, a gap, and a sink that is down.
func settled(t *testing.T) *live {
	t.Helper()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	d := start(t, lab.Setup{Endpoint: endpoint, Packs: []string{lab.Pack, sim.MissingPackID}, Sinks: `
  - {name: primary, local: {dir: archive}}
  - {name: gone, s3: {endpoint: "http://127.0.0.1:1", region: r, bucket: reports, path_style: true, access_key_id_file: key-id, secret_access_key_file: key-secret}}`}.Write(t), io.Discard)
	d.await(t, 1)
	lab.Eventually(t, "the sink that does not answer is known", func() bool { return strings.Contains(d.get(t, "/api/v1/status"), `"down"`) })
	return d
}

// TestOpenAPI: what a daemon answers is what docs/openapi.yaml describes.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	d, api := settled(t), openapi.Read(t, filepath.Join("..", "docs", "openapi.yaml"))
	slots := "/api/v1/slots?source=prod&pack="
	for _, path := range []string{"/api/v1/packs", "/api/v1/status", "/api/v1/ledger", slots + lab.Pack, slots + sim.MissingPackID, slots, slots + "cp-none", "/metrics", "/-/healthy", "/-/ready"} {
		answer, err := http.Get(d.url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close() //nolint:errcheck // read only
		if err != nil {
			t.Fatal(err)
		}
		api.Check("GET", path, answer.StatusCode, answer.Header, body)
	}
}

// TestExamplesOfAPI: the examples of docs/api.md that ask this machine without a
// password work, and print something: each is about a pack, a gap or a sink that
// the daemon has.
func TestExamplesOfAPI(t *testing.T) {
	t.Parallel()
	bash := lab.Tool(t, "bash")
	lab.Tool(t, "curl")
	lab.Tool(t, "jq")
	page, err := os.ReadFile(filepath.Join("..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	d := settled(t)
	examples := regexp.MustCompile("(?ms)^    (curl [^\n]*)$|^```bash\n(.*?)^```").FindAllStringSubmatch(string(page), -1)
	ran := 0
	for _, m := range examples {
		script := m[1] + m[2]
		if !strings.Contains(script, "localhost:9797") {
			continue
		}
		ran++
		pack := lab.Pack
		if strings.Contains(script, "state=gap") {
			pack = sim.MissingPackID
		}
		script = strings.NewReplacer("localhost:9797", strings.TrimPrefix(d.url, "http://"), "PACK", pack, "2026-04-01", "2999-04-01").Replace(script)
		cmd := exec.CommandContext(t.Context(), bash, "-eo", "pipefail", "-c", script)
		cmd.Env = append(os.Environ(), "no_proxy=127.0.0.1")
		if out, err := cmd.CombinedOutput(); err != nil || len(strings.TrimSpace(string(out))) == 0 {
			t.Errorf("%s\nprints %q, %v", script, out, err)
		}
	}
	if ran < 8 {
		t.Errorf("only %d examples were found", ran)
	}
}
