package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// bareSlots does the bare minimum for every pack, as many at once as the
// daemon does.
func bareSlots(b *testing.B, endpoint string) time.Duration {
	b.Helper()
	dir := b.TempDir()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}}
	defer client.CloseIdleConnections()
	began := time.Now()
	var g errgroup.Group
	g.SetLimit(inFlight)
	for i := range manyPacks {
		g.Go(func() error { return bareSlot(client, endpoint, dir, manyPack(i)) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

func bareSlot(client *http.Client, endpoint, dir, pack string) error {
	var link string
	for _, action := range []string{"GetCompliancePackReport", "GenerateCompliancePackReport", "GetCompliancePackReport"} {
		call, err := bareCall(endpoint, action, "CompliancePackId="+pack)
		if err != nil {
			return err
		}
		raw, err := bareDo(client, call)
		if err != nil {
			return err
		}
		var answer struct{ CompliancePackReport struct{ ReportUrl string } }
		if err := json.Unmarshal(raw, &answer); err != nil {
			return err
		}
		link = answer.CompliancePackReport.ReportUrl
	}
	get, err := http.NewRequest(http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	body, err := bareDo(client, get)
	if err != nil {
		return err
	}
	if err := durable(dir, pack+".report", body); err != nil {
		return err
	}
	return durable(dir, pack+".manifest", body[:1024])
}

// bareDo returns the body of an answer that is 200.
func bareDo(client *http.Client, r *http.Request) ([]byte, error) {
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return body, err
}

// bareCall is a call signed as the API has it (ACS3-HMAC-SHA256). The query is in the
// order of its keys.
func bareCall(endpoint, action, query string) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodGet, endpoint+"/?"+query, nil)
	if err != nil {
		return nil, err
	}
	signed := [][2]string{ // sorted, as they are signed
		{"host", r.URL.Host},
		{"x-acs-action", action},
		{"x-acs-content-sha256", bareSum(nil)},
		{"x-acs-date", time.Now().UTC().Format(time.RFC3339)},
		{"x-acs-signature-nonce", rand.Text()},
		{"x-acs-version", "2020-09-07"},
	}
	canonical, names := "GET\n/\n"+r.URL.RawQuery+"\n", ""
	for _, h := range signed {
		canonical += h[0] + ":" + h[1] + "\n"
		names += ";" + h[0]
		r.Header.Set(h[0], h[1])
	}
	names = names[1:]
	canonical += "\n" + names + "\n" + bareSum(nil)
	m := hmac.New(sha256.New, []byte(simKeySecret))
	m.Write([]byte("ACS3-HMAC-SHA256\n" + bareSum([]byte(canonical))))
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "ACS3-HMAC-SHA256 Credential="+simKeyID+",SignedHeaders="+names+",Signature="+hex.EncodeToString(m.Sum(nil)))
	return r, nil
}

func bareSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// durable writes a file that a loss of power does not take: file and name.
func durable(dir, name string, body []byte) error {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(body); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
