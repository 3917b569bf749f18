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

// Address reads the address that a file holds.
func Address(f secret.File, allowHTTP bool) (*url.URL, error) {
	v, err := f.Read()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(v.Reveal())
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Fragment != "" {
		// Neither the text nor err is shown: both hold the secret.
		return nil, fault.New(fault.Credentials, "%s does not hold an address", f).WithHint("one line that begins with https://, as the channel's owner was given it")
	}
	loopback := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	if u.Scheme == "http" && !loopback && !allowHTTP {
		return nil, fault.New(fault.Credentials, "%s holds an http address, which sends messages and secrets in clear text", f).WithHint("use https, or set allow_http: true")
	}
	return u, nil
}

// Check returns what is wrong with the file of an address, under the key path.
func Check(path string, f secret.File, allowHTTP bool) []fault.Problem {
	if f == "" {
		return []fault.Problem{{Path: path, Message: "missing", Hint: "name a file that holds the address and nothing else; it is a secret"}}
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

// shortest is the length from which on a part of an address may be a secret,
// and is long enough to be no common word.
const shortest = 8

// Clean returns text of a server or a library without the request's secrets,
// on one line and not too long.
func (r Request) Clean(text string) string {
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
		if len(s) >= shortest {
			text = strings.NewReplacer(s, "(secret)", url.QueryEscape(s), "(secret)").Replace(text)
		}
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "…"
	}
	return text
}
