package secret

import "testing"

func TestQuote(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"The provided token has expired.":                           "The provided … has expired.",
		"signature%3Dabc and MySignature":                           "… and …",
		"Access denied\r\nby policy\x1b[31m":                        "Access deniedby policy[31m",
		"see https://store.example/a?Signature=abc for more":        "see … for more",
		"bad x-amz-security-token=abcdef, OSSAccessKeyId: LTAIabc":  "bad … …",
		"the key wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY is wrong": "the key … is wrong",
		"Unsupported header 'x-amz-checksum-sha256' for this call":  "Unsupported header 'x-amz-checksum-sha256' for this call",
		"bad X-Amz-Server-Side-Encryption":                          "bad X-Amz-Server-Side-Encryption",
		"X-Amz-Signature=abc, x-amz-security-tokenAKIDabcdef":       "… …",
		"请求的时间与服务器相差太大":                                             "请求的时间与服务器相差太大",
		"": "",
	} {
		if got := Quote(said, 200); got != want {
			t.Errorf("%q is quoted as %q, want %q", said, got, want)
		}
	}
	if got := Quote("语语语语", 7); got != "语语" {
		t.Errorf("cut to %q", got)
	}
}
