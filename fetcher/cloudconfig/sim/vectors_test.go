package sim

import (
	"encoding/hex"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// TestACS3Vector is the published example of ACS3.
func TestACS3Vector(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("POST", "https://ecs.cn-shanghai.aliyuncs.com/?RegionId=cn-shanghai&ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", nil)
	r.Header.Set("x-acs-action", "RunInstances")
	r.Header.Set("x-acs-version", "2014-05-26")
	r.Header.Set("x-acs-date", "2023-10-26T10:22:32Z")
	r.Header.Set("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d")
	r.Header.Set("x-acs-content-sha256", hexSHA256(nil))
	names := []string{"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"}

	sum := hexSHA256([]byte(canonicalRequest(r, names, hexSHA256(nil))))
	if want := "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"; sum != want {
		t.Errorf("canonical request sums to %s, want %s", sum, want)
	}
	got := hex.EncodeToString(hmacSHA256([]byte("YourAccessKeySecret"), acs3+"\n"+sum))
	if want := "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

// TestRPCVector is the published example of RPC V1.
func TestRPCVector(t *testing.T) {
	t.Parallel()
	params := url.Values{
		"Timestamp": {"2016-02-23T12:46:24Z"}, "Format": {"XML"}, "AccessKeyId": {"testid"}, "Action": {"DescribeRegions"},
		"SignatureMethod": {"HMAC-SHA1"}, "SignatureNonce": {"3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"},
		"Version": {"2014-05-26"}, "SignatureVersion": {"1.0"}, "Signature": {"is left out"},
	}
	if got, want := hmacSHA1("testsecret&", rpcStringToSign("GET", params)), "OLeaidS1JvxuMvnyHOwuJ+uX5qY="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

// vectorBucket has the key of the links below.
var vectorBucket = bucket{
	name: "config-reports", region: "cn-shanghai",
	keyID: "STS.vector", secret: "vector-secret", token: "vector/token+1=",
}

// TestLinkVectors compares our signatures with links signed by the OSS SDKs (v2
// 1.6.1, and for the V2 form v1 3.0.2).
func TestLinkVectors(t *testing.T) {
	t.Parallel()
	const token = "security-token=vector%2Ftoken%2B1%3D"
	const v4Query = "x-oss-credential=STS.vector%2F20261124%2Fcn-shanghai%2Foss%2Faliyun_v4_request&x-oss-date=20261124T094137Z" +
		"&x-oss-expires=3600&x-oss-" + token + "&x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-signature="
	for _, c := range []struct {
		name, method string
		form         LinkForm
		query        string
		expiry       int64
	}{
		{"V1 GET", "GET", V1, "Expires=1900000000&OSSAccessKeyId=STS.vector&Signature=DLQ8NwlLn%2FjOwRTpyKwKhKnZDPk%3D&" + token, 1900000000},
		{"V1 HEAD", "HEAD", V1, "Expires=1795516897&OSSAccessKeyId=STS.vector&Signature=N0joAZzDMAdfvkiQ4EtCBgUXVbs%3D&" + token, 1795516897},
		{"V4 GET", "GET", V4, v4Query + "4adc8cb398717a768bb33ca81571aee96cb4c27e790a93c600c24beaa69bfd6e", 1795516897},
		{"V4 HEAD", "HEAD", V4, v4Query + "02cd12adfdf118e72f73a3b284d42a7ad52cb8395fffb3029ec747d2762a9437", 1795516897},
		{"V2 GET", "GET", V2, token + "&x-oss-access-key-id=STS.vector&x-oss-expires=1795516897&x-oss-signature=n1IOMRPBBkbWL8e1XnORSPkbUHUcLcfXKt9iYDgjujA%3D&x-oss-signature-version=OSS2", 1795516897},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			q, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			form, ok := formOf(q)
			if until, dated := form.expiry(q); !ok || form != c.form || !dated || until.Unix() != c.expiry {
				t.Errorf("read as %q until %v, want %q until %d", form, until, c.form, c.expiry)
			}
			given := q.Get(form.parameter("signature"))
			q.Del(form.parameter("signature"))
			if got := vectorBucket.sign(form, signedRequest{method: c.method, path: "/oss/cp-1/1700000000000/1_cp-1_202311150613.xls", query: q}); got != given {
				t.Errorf("signature %s, want %s", got, given)
			}
		})
	}
}

// TestS3Link compares links of the S3 form with those of AWS's signer.
func TestS3Link(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 9, 41, 37, 0, time.UTC)
	q := url.Values{}
	vectorBucket.addParams(q, S3, at, time.Hour)
	const host, path = "bucket.test", "/oss/ca-1/cp-1/1700000000000/1_cp-1_202311150613.zip"
	got := vectorBucket.sign(S3, signedRequest{method: "GET", host: host, path: path, query: q})

	r := httptest.NewRequest("GET", "http://"+host+path+"?X-Amz-Expires=3600", nil)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	keys := aws.Credentials{AccessKeyID: vectorBucket.keyID, SecretAccessKey: vectorBucket.secret, SessionToken: vectorBucket.token}
	link, _, err := signer.PresignHTTP(t.Context(), keys, r, "UNSIGNED-PAYLOAD", "s3", vectorBucket.region, at)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if want := u.Query().Get("X-Amz-Signature"); got != want {
		t.Errorf("signature %s, AWS's is %s", got, want)
	}
	ours, theirs := sortedKeys(q), sortedKeys(u.Query())
	if ours = slices.Sorted(slices.Values(append(ours, "X-Amz-Signature"))); !slices.Equal(ours, theirs) {
		t.Errorf("parameters %v, AWS's are %v", ours, theirs)
	}
}
