package oss

import (
	"os"
	"regexp"
	"strings"
	"testing"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/oss/ossfake"
)

// documented returns what the policies of docs/storage.md for OSS allow: the least,
// and what else can be allowed.
func documented(t *testing.T) (least, more []ossfake.Statement) {
	t.Helper()
	page, err := os.ReadFile("../../docs/storage.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Alibaba Cloud OSS\n")
	section, _, _ = strings.Cut(section, "\n## ")
	found := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(section, -1)
	if len(found) != 2 {
		t.Fatalf("docs/storage.md has %d policies for OSS", len(found))
	}
	var all [2][]ossfake.Statement
	for i, m := range found {
		text := m[1]
		if strings.HasPrefix(text, "[") { // statements alone
			text = `{"Statement": ` + text + `}`
		}
		if all[i], err = ossfake.Policy(text); err != nil || len(all[i]) == 0 {
			t.Fatalf("%v in %s", err, text)
		}
	}
	return all[0], all[1]
}

// TestDocumentedPolicy: the documented policy allows all that packseal does, and
// nothing else.
func TestDocumentedPolicy(t *testing.T) {
	t.Parallel()
	least, more := documented(t)
	f := newFake(t)
	allow := func(granted ...ossfake.Statement) {
		f.Do(func() { f.Keys[keyID] = ossfake.Key{Secret: keySecret, Allow: granted} })
	}
	allow(least...)
	s := f.open(t, func(o *Options) { inParts(o); o.Prefix = "packseal" })
	if got, by := examine(t, s); got != "✓credentials –versioning –bucket-worm"+tries+"✓no-replace ✓listing –retention" {
		t.Errorf("the least: %s\n%+v", got, by)
	}
	for key, c := range both {
		mustPut(t, s, key, c)
		want(t, s.Put(t.Context(), key, sink.Bytes([]byte("other"))), fault.Conflict, "")
	}
	f.reply("UploadPart", 400, "InvalidArgument", 1)
	want(t, s.Put(t.Context(), "aborted", large), fault.SinkDenied, "")
	if f.Uploads() > 0 {
		t.Error("an upload is left")
	}
	client := f.vendor()
	for what, try := range map[string]func() error{
		"deleting": func() error {
			_, err := client.DeleteObject(t.Context(), &alioss.DeleteObjectRequest{Bucket: alioss.Ptr(evidence), Key: alioss.Ptr("packseal/small")})
			return err
		},
		"writing elsewhere": func() error {
			_, err := client.PutObject(t.Context(), &alioss.PutObjectRequest{Bucket: alioss.Ptr(evidence), Key: alioss.Ptr("other/k")})
			return err
		},
		"reading elsewhere": func() error {
			_, err := client.GetObject(t.Context(), &alioss.GetObjectRequest{Bucket: alioss.Ptr(evidence), Key: alioss.Ptr("other/k")})
			return err
		},
	} {
		if e := parseError(try()); e.code != "AccessDenied" {
			t.Errorf("%s: %s", what, e)
		}
	}
	allow(append(least, more...)...)
	f.Do(func() { f.bucket.Worm = &ossfake.Worm{State: "Locked", Days: 1827} })
	s = f.open(t, func(o *Options) { o.Prefix, o.BucketWorm = "packseal", &BucketWorm{Days: 1827} })
	if got, by := examine(t, s); got != begins+"✓bucket-worm"+tries+"✓no-replace ✓listing –retention" {
		t.Errorf("more: %s\n%+v", got, by)
	}
	f.Do(func() { f.bucket.Worm, f.bucket.Versioning = nil, "Enabled" })
	if _, by := examine(t, f.open(t, func(o *Options) { locking(o); o.Prefix = "packseal/locked" })); by["retention"].State != diag.Good || !strings.Contains(by["versioning"].Detail, "noticed") {
		t.Errorf("locked: %+v", by)
	}
}
