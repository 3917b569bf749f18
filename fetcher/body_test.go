package fetcher_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

func crc(b []byte) string {
	return strconv.FormatUint(crc64.Checksum(b, crc64.MakeTable(crc64.ECMA)), 10)
}

func md5Of(b []byte) string {
	sum := md5.Sum(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// withLength sets another Content-Length than the body has.
func withLength(n int64, resp *http.Response) *http.Response {
	resp.ContentLength = n
	return resp
}

// A damaged body is downloaded again, a limited number of times. The link is not
// looked up and the report not requested again.
func TestDamagedBody(t *testing.T) {
	t.Parallel()
	whole := content(1000)
	altered := bytes.Clone(whole)
	altered[500] ^= 1
	cut := func() *http.Response {
		resp := serve(200, whole)
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(whole[:600]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		return resp
	}
	for name, c := range map[string]struct {
		answer func() *http.Response
		want   string
	}{
		"empty":               {func() *http.Response { return serve(200, nil) }, "only 0 bytes"},
		"too small":           {func() *http.Response { return serve(200, whole[:63]) }, "only 63 bytes"},
		"short":               {func() *http.Response { return withLength(1000, serve(200, whole[:999])) }, "999 bytes, but Content-Length is 1000"},
		"long":                {func() *http.Response { return withLength(999, serve(200, whole)) }, "1000 bytes, but Content-Length is 999"},
		"cut":                 {cut, "after 600 bytes: unexpected EOF"},
		"short, by its CRC":   {func() *http.Response { return serve(200, whole[:999], "X-Oss-Hash-Crc64ecma", crc(whole)) }, "CRC-64"},
		"altered, by its CRC": {func() *http.Response { return serve(200, altered, "X-Oss-Hash-Crc64ecma", crc(whole)) }, "CRC-64"},
		"altered, by its MD5": {func() *http.Response { return serve(200, altered, "Content-Md5", md5Of(whole)) }, "MD5"},
		"MD5 beside good CRC": {func() *http.Response {
			return serve(200, altered, "X-Oss-Hash-Crc64ecma", crc(altered), "Content-Md5", md5Of(whole))
		}, "MD5"},
		"sums of no sense":  {func() *http.Response { return serve(200, whole, "X-Oss-Hash-Crc64ecma", "-1") }, "CRC-64"},
		"an error with 200": {func() *http.Response { return refuse(200, "InternalError", strings.Repeat("oops ", 20)) }, "200 with an error: InternalError"},
		"a page with 200":   {func() *http.Response { return serve(200, htmlPage) }, "error page"},
		"a JSON error": {func() *http.Response {
			return serve(200, []byte(`{"code":"Forbidden","message":"`+strings.Repeat("no ", 20)+`"}`))
		}, "200 with an error: Forbidden"},
		"zeros":              {func() *http.Response { return serve(200, make([]byte, 1000)) }, "nothing but zeros"},
		"an error, unparsed": {func() *http.Response { return serve(200, []byte("<Error>"+strings.Repeat("x", 100))) }, "error page"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				src := &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}
				h := newFixture(t, src, &store{answer: func(int, *http.Request) *http.Response { return c.answer() }}, fetcher.Settings{})
				_, err := h.fetch(t.Context(), t)
				if fault.Of(err) != fault.Damaged || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v (%s), want it damaged, with %q", err, fault.Of(err), c.want)
				}
				if len(h.store.seen) != tries || src.lookups != 1 {
					t.Errorf("%d downloads by %d links, want %d by 1", len(h.store.seen), src.lookups, tries)
				}

				// The store recovers.
				h.store.answer = good
				if r, err := h.fetch(t.Context(), t); err != nil || r.Size != 1000 {
					t.Errorf("then: %d bytes, %v", r.Size, err)
				}
				if len(src.attempts) != 1 {
					t.Errorf("%d reports were requested", len(src.attempts))
				}
			})
		})
	}
}

var htmlPage = []byte("<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><p>Please sign in to the proxy.</p></body></html>")

// The Report describes its body, for sizes around that of a chunk, with and
// without checksums of the store, and without a Content-Length.
func TestCompleteBody(t *testing.T) {
	t.Parallel()
	for _, size := range []int{64, 1000, 256<<10 - 1, 256 << 10, 256<<10 + 1, 3<<20 + 7} {
		for name, prepare := range map[string]func(*http.Response, []byte){
			"bare":      func(*http.Response, []byte) {},
			"no length": func(r *http.Response, _ []byte) { r.ContentLength = -1 },
			"with sums": func(r *http.Response, b []byte) {
				r.Header.Set("X-Oss-Hash-Crc64ecma", crc(b))
				r.Header.Set("Content-Md5", md5Of(b))
			},
			"byte by byte": func(r *http.Response, b []byte) {
				if len(b) <= 1000 {
					r.Body = io.NopCloser(iotest.OneByteReader(bytes.NewReader(b)))
				}
			},
		} {
			t.Run(fmt.Sprintf("%s, %d bytes", name, size), func(t *testing.T) {
				t.Parallel()
				want := content(size)
				st := &store{answer: func(int, *http.Request) *http.Response {
					resp := serve(200, want)
					prepare(resp, want)
					return resp
				}}
				h := newFixture(t, &source{lookup: always(linkTo("https://bucket.example.com/a/r.xls"))}, st, fetcher.Settings{})
				r, err := h.fetch(t.Context(), t)
				if err != nil {
					t.Fatal(err)
				}
				sum := md5.Sum(want)
				if r.Size != int64(size) || r.SHA256 != sha(want) || r.MD5 != hex.EncodeToString(sum[:]) || r.CRC64 != crc(want) || r.Sum() != sha256.Sum256(want) {
					t.Errorf("the report is %+v", r)
				}
				if md5, crc64, ok := r.Sums(); !ok || md5 != sum || strconv.FormatUint(crc64, 10) != r.CRC64 {
					t.Errorf("the sums are %x, %d, %t", md5, crc64, ok)
				}
				if r.Name != "r.xls" || r.Container != evidence.OLE2 || r.Account != "123" || r.Fetched.IsZero() || len(r.RequestIDs) != 2 {
					t.Errorf("the report is %+v", r)
				}
				if got := h.body(t); !bytes.Equal(got, want) {
					t.Errorf("the body on disk differs; it has %d bytes", len(got))
				}
			})
		}
	}
}

// body returns the body in the spool.
func (h *fixture) body(t *testing.T) []byte {
	t.Helper()
	e, err := h.spool.Lock(t.Context(), aSlot)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	f, err := e.Body()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// endless is an endless body that counts what is read.
type endless struct{ n int64 }

func (c *endless) Read(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// A report that is too large is refused before it fills the disk, and not
// downloaded again.
func TestMaxBytes(t *testing.T) {
	t.Parallel()
	const limit = 1000
	for name, c := range map[string]struct {
		length int64 // Content-Length
		body   io.Reader
		read   int64 // at most
	}{
		"by its length": {limit + 1, new(endless), 0},
		"by its bytes":  {-1, new(endless), 1 << 20},
		"one byte more": {-1, bytes.NewReader(content(limit + 1)), limit + 1},
		"a lie":         {limit, new(endless), 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := &store{answer: func(int, *http.Request) *http.Response {
				return withLength(c.length, &http.Response{StatusCode: 200, Body: io.NopCloser(c.body)})
			}}
			h := newFixture(t, &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}, st, fetcher.Settings{MaxBytes: limit})
			_, err := h.fetch(t.Context(), t)
			if fault.Of(err) != fault.TooLarge || !strings.Contains(fault.Hint(err), "max_bytes") || len(st.seen) != 1 {
				t.Errorf("got %v, hint %q, after %d downloads", err, fault.Hint(err), len(st.seen))
			}
			if read, ok := c.body.(*endless); ok && read.n > c.read {
				t.Errorf("%d bytes were read, at most %d should be", read.n, c.read)
			}
			if size := h.onDisk(t); size > limit+1 {
				t.Errorf("%d bytes are on disk", size)
			}
		})
	}
	st := &store{answer: func(int, *http.Request) *http.Response { return serve(200, content(limit)) }}
	h := newFixture(t, &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}, st, fetcher.Settings{MaxBytes: limit})
	if r, err := h.fetch(t.Context(), t); err != nil || r.Size != limit {
		t.Errorf("the largest permitted: %d bytes, %v", r.Size, err)
	}
}

// onDisk returns the size of the body in the spool.
func (h *fixture) onDisk(t *testing.T) (size int64) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(h.dir, "*.body"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the spool holds %v, %v", found, err)
	}
	fi, err := os.Stat(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return fi.Size()
}

// TestNoSums: a report without one of its sums, or with what is none, has none.
func TestNoSums(t *testing.T) {
	t.Parallel()
	const md5, crc64 = "d41d8cd98f00b204e9800998ecf8427e", "0"
	for _, r := range []fetcher.Report{{}, {MD5: md5}, {CRC64: crc64}, {MD5: md5[1:], CRC64: crc64}, {MD5: md5 + "00", CRC64: crc64}, {MD5: "x" + md5[1:], CRC64: crc64}, {MD5: md5, CRC64: "-1"}} {
		if _, _, ok := r.Sums(); ok {
			t.Errorf("%+v has sums", r)
		}
	}
}
