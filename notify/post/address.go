package post

import (
	"cmp"
	"net"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// Address reads the address in a file.
func Address(f secret.File, allowHTTP bool) (*url.URL, error) {
	v, err := f.Read()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(v.Reveal())
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Fragment != "" {
		// Neither the text nor err is shown: both contain the secret.
		return nil, fault.New(fault.Credentials, "%s does not contain an address", f).WithHint("it must be one line that begins with https://")
	}
	if clearText(u, allowHTTP) {
		return nil, fault.New(fault.Credentials, "%s contains an http address, which sends messages and secrets in clear text", f).WithHint("use https, or set allow_http: true")
	}
	return u, nil
}

// Check returns what is wrong with the file of an address; path is its key.
func Check(path string, f secret.File, allowHTTP bool) []fault.Problem {
	if f == "" {
		return []fault.Problem{{Path: path, Message: "missing", Hint: "name a file that contains the address and nothing else; it is a secret"}}
	}
	problems := f.Check(path)
	if slices.ContainsFunc(problems, func(p fault.Problem) bool { return !p.Warning }) {
		return problems
	}
	if _, err := Address(f, allowHTTP); err != nil {
		problems = append(problems, fault.Problem{Path: path, Message: err.Error(), Hint: fault.Hint(err)})
	}
	return problems
}

// CheckSecret returns what is wrong with the file of a secret that is required;
// path is its key, and what says what the file holds.
func CheckSecret(path string, f secret.File, what string) []fault.Problem {
	if f == "" {
		return []fault.Problem{{Path: path, Message: "missing", Hint: "name a file that contains " + what + ", and nothing else"}}
	}
	return f.Check(path)
}

// Endpoint returns the address of a vendor's API: the official one unless another
// is set.
func Endpoint(text, official string) (*url.URL, error) {
	u, err := url.Parse(cmp.Or(text, official))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fault.New(fault.Request, "%.200q is not the address of an API", text).WithHint("for example %s", official)
	}
	return u, nil
}

// CheckEndpoint returns what is wrong with the address of an API; path is its key.
// No address is none that is wrong.
func CheckEndpoint(path, text string, allowHTTP bool) []fault.Problem {
	u, err := Endpoint(text, "https://api.example.com")
	if err == nil && clearText(u, allowHTTP) {
		err = fault.New(fault.Request, "%.200q sends messages and secrets in clear text", text).WithHint("use https, or set allow_http: true")
	}
	if err != nil {
		return []fault.Problem{{Path: path, Message: err.Error(), Hint: fault.Hint(err)}}
	}
	return nil
}

// clearText reports whether what is sent to an address can be read on its way, and
// must not be.
func clearText(u *url.URL, allowHTTP bool) bool {
	loopback := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	return u.Scheme == "http" && !loopback && !allowHTTP
}

// minSecret is the length from which on a part of an address is taken for a
// secret: shorter ones may be common words.
const minSecret = 8

// Redact returns text of a server or a library without the request's secrets, on
// one line of at most 300 characters.
func (r Request) Redact(text string) string {
	secrets := slices.Concat(r.Secrets, strings.Split(r.URL.Path, "/"), strings.Split(r.URL.RawPath, "/"))
	if password, ok := r.URL.User.Password(); ok {
		secrets = append(secrets, password)
	}
	for _, values := range r.URL.Query() {
		secrets = append(secrets, values...)
	}
	if len(r.URL.RequestURI()) > 1 {
		text = strings.ReplaceAll(text, r.URL.RequestURI(), "(secret)")
	}
	for _, s := range secrets {
		if len(s) >= minSecret {
			text = strings.NewReplacer(s, "(secret)", url.QueryEscape(s), "(secret)").Replace(text)
		}
	}
	return Clean(text)
}

// Clean returns text on one line of at most 300 characters.
func Clean(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "…"
	}
	return text
}
