package main

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/notify/notifytest"
	"packseal.example/test/lab"
)

// mark is in every credential of TestSecrets.
const mark = "Mk7391qZ"

// signedQuery is what only a signed link has.
var signedQuery = regexp.MustCompile(`(?i)(signature|expires|credential|security-?token|accesskeyid)(=|%3d)`)

// queries collects the signed values of every link that is fetched.
type queries struct {
	http.Handler
	mu     sync.Mutex
	values []string
}

func (q *queries) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		q.mu.Lock()
		for _, values := range r.URL.Query() {
			for _, v := range values {
				if len(v) > 20 { // long enough to be no coincidence
					q.values = append(q.values, v, url.QueryEscape(v))
				}
			}
		}
		q.mu.Unlock()
	}
	q.Handler.ServeHTTP(w, r)
}

// quoting is a store that refuses everything, and quotes in its refusal whatever it
// was sent, as S3 and OSS do to explain a signature.
func quoting(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-oss-request-id", "R")
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>%[1]s</Message><AWSAccessKeyId>id%[2]s</AWSAccessKeyId><StringToSign>%[1]s</StringToSign></Error>",
		r.Header, mark)
}

// TestSecrets runs a daemon through good and bad days with marked
// credentials, and doctor beside it, and looks for them and for links in all
// that is left behind.
func TestSecrets(t *testing.T) {
	t.Parallel()
	packs := sim.Demo()
	packs = append(packs, sim.Pack{ID: "cp-aaaa626622af00aa0007", Name: "broken off", Script: sim.Script{
		Link: sim.S3, Failures: []sim.Failure{{Call: sim.Download}, {Call: sim.Download, Status: 403, Code: "AccessDenied"}, {Status: 500, Code: "InternalError"}},
	}})
	handler, err := sim.New(sim.Options{AccessKeyID: "id" + mark, AccessKeySecret: "secret" + mark, SecurityToken: "token" + mark, Packs: packs})
	if err != nil {
		t.Fatal(err)
	}
	api := &queries{Handler: handler}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)

	mirror := httptest.NewServer(http.HandlerFunc(quoting))
	t.Cleanup(mirror.Close)

	dir := t.TempDir()
	config := fmt.Sprintf(`
state_dir: state
sources:
  good: {cloudconfig: {endpoint: %[1]q, requests_per_second: 50, max_in_flight: 20, credentials: {access_key_id_file: id, access_key_secret_file: secret, security_token_file: token}}}
  stranger: {cloudconfig: {endpoint: %[1]q, credentials: {access_key_id_file: other, access_key_secret_file: secret, security_token_file: token}}}
  forged: {cloudconfig: {endpoint: %[1]q, credentials: {access_key_id_file: id, access_key_secret_file: other, security_token_file: token}}}
defaults: {source: good, schedule: "0 0 1 1 *", time_zone: UTC, catch_up: 8784h, timeout: 5s}
sinks:
  - {name: primary, local: {dir: archive}}
  - {name: mirror, s3: {endpoint: %[2]q, region: r, bucket: b, path_style: true, access_key_id_file: id, secret_access_key_file: secret, session_token_file: token}}
  - {name: vault, oss: {endpoint: %[2]q, region: cn-shanghai, bucket: vault, credentials: {access_key_id_file: id, access_key_secret_file: secret, security_token_file: token}}}
fetch: {poll_min: 200ms, poll_max: 1s}
web: {listen: "127.0.0.1:0"}
log: {level: debug, format: json}
packs:
  - {id: cp-fdc8626622af00f90000, source: stranger, since: 2020-01-01T00:00:00Z}
  - {id: cp-fdc8626622af00f90000, source: forged, since: 2020-01-01T00:00:00Z}
`, server.URL, mirror.URL)
	for _, p := range packs {
		config += fmt.Sprintf("  - {id: %s, aggregator: %q, since: 2020-01-01T00:00:00Z}\n", p.ID, p.Aggregator)
	}
	config += markedChannels(t, dir)
	lab.Write(t, dir, map[string]string{
		"id": "id" + mark, "secret": "secret" + mark, "token": "token" + mark, "other": "other" + mark, "packseal.yaml": config,
	})
	d := startRun(t, filepath.Join(dir, "packseal.yaml"))
	places := map[string]string{}
	d.settled(t)
	for _, page := range []string{"/", "/metrics", "/api/v1/packs", "/api/v1/slots?source=good&pack=" + packs[0].ID, "/packs/good/" + packs[0].ID, "/packs/forged/" + packs[0].ID} {
		places[page] = d.get(t, page)
	}
	var out, talk lab.Buffer
	if code := run(t.Context(), []string{"doctor", "--config", filepath.Join(dir, "packseal.yaml")}, &out, &talk); code != exitFailed {
		t.Errorf("doctor ended with %d: %s", code, out.String())
	}
	places["doctor"], places["doctor's talk"] = out.String(), talk.String()
	d.stop()
	places["log"] = d.log.String()
	readTree(t, dir, places, "archive", "state")
	for _, verb := range []string{"check", "list", "next", "verify", "seal"} {
		var out, talk lab.Buffer
		run(t.Context(), []string{verb, "--config", filepath.Join(dir, "packseal.yaml")}, &out, &talk)
		places[verb] = out.String() + talk.String()
	}

	if len(api.values) == 0 || !strings.Contains(places["log"], "sealed") || !strings.Contains(places["log"], "in sink mirror: ") || !strings.Contains(places["log"], "in sink vault: ") {
		t.Fatalf("nothing was fetched, or a bucket was not asked: %s", places["log"])
	}
	if !strings.Contains(places["log"], "notice failed") || places["/state/notify.json"] == "" {
		t.Fatalf("nothing was told: %s", places["log"])
	}
	for place, content := range places {
		for _, secret := range append(api.values, mark) {
			if strings.Contains(content, secret) {
				t.Errorf("%s has %s", place, secret)
			}
		}
		if at := signedQuery.FindStringIndex(content); at != nil {
			t.Errorf("%s has a part of a signed link: %q", place, content[max(at[0]-80, 0):min(at[1]+40, len(content))])
		}
	}
}

// markedChannels returns the configuration of channels whose addresses and
// secrets are marked, and whose receivers refuse each message and repeat in
// their answer what they were sent, or are not there.
func markedChannels(t *testing.T, dir string) string {
	t.Helper()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) //nolint:errcheck // a partial body is enough
		http.Error(w, fmt.Sprintf("refused: %s, %s %v", body, r.URL, r.Header), http.StatusForbidden)
	}))
	t.Cleanup(echo.Close)
	people := notifytest.Server{Token: "token" + mark}
	config := "notify:\n"
	for _, receiver := range notifytest.Receivers() {
		for i, base := range []string{echo.URL, "http://127.0.0.1:1"} {
			name := fmt.Sprintf("%s-%d", receiver, i)
			more := map[string]string{
				notifytest.DingTalk: ", secret_file: secret", notifytest.Feishu: ", secret_file: secret",
				notifytest.Webhook: ", secret_file: secret, authorization_file: other", notifytest.Ping: ", every: 10s", notifytest.Ntfy: ", token_file: other",
			}[receiver]
			group := "group: 1ms, "
			if receiver == notifytest.Ping {
				group = ""
			}
			entry, content := people.Setting(base, receiver, name, more)
			lab.Write(t, dir, map[string]string{name: content})
			config += fmt.Sprintf("  - {name: %s, %s%s}\n", name, group, entry)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // of a test
	server := &notifytest.Mail{User: "packseal", Password: "secret" + mark, Refuse: map[string]string{"AUTH": "535 5.7.8 secret" + mark + " is wrong"}}
	go server.Serve(l)
	return config + fmt.Sprintf("  - {name: mail, group: 1ms, mail: {server: %q, tls: none, username: packseal, password_file: other, from: a@example.com, to: [b@example.com]}}\n", l.Addr())
}

// readTree adds the files of a folder's folders to places.
func readTree(t *testing.T, dir string, places map[string]string, tops ...string) {
	t.Helper()
	for _, top := range tops {
		err := filepath.WalkDir(filepath.Join(dir, top), func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(name)
			places[strings.TrimPrefix(name, dir)] = string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
