package post

import (
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
	loopback := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	if u.Scheme == "http" && !loopback && !allowHTTP {
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
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "…"
	}
	return text
}
