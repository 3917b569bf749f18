package cloudconfig

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

var (
	roleARN     = regexp.MustCompile(`^acs:ram::\d+:role/[A-Za-z0-9._-]+$`)
	sessionName = regexp.MustCompile(`^[A-Za-z0-9.@_-]{2,64}$`)
)

// check returns what is wrong, with paths that begin with "credentials".
func (c *Credentials) check() []fault.Problem {
	var ps problems
	chosen := c.chosen()
	ps.add(len(chosen) > 1, "credentials", "keep one of them, or none for the official chain", strings.Join(chosen, " and ")+" exclude one another")
	ps.add(c.files() && c.AccessKeyIDFile == "", "credentials.access_key_id_file", "keys come in pairs", "is missing")
	ps.add(c.files() && c.AccessKeySecretFile == "", "credentials.access_key_secret_file", "keys come in pairs", "is missing")
	for _, f := range []struct {
		path string
		file secret.File
	}{
		{"credentials.access_key_id_file", c.AccessKeyIDFile},
		{"credentials.access_key_secret_file", c.AccessKeySecretFile},
		{"credentials.security_token_file", c.SecurityTokenFile},
	} {
		ps = append(ps, f.file.Check(f.path)...)
	}
	u, err := url.Parse(c.URI)
	web := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
	ps.add(c.URI != "" && !web, "credentials.uri", "http://host/path or https://host/path", "is no address")
	ps = append(ps, c.checkRole()...)
	return ps
}

// checkRole checks what is for a role, by the forms that RAM documents for ARNs
// and session names; whether the role exists only STS can tell.
func (c *Credentials) checkRole() (ps problems) {
	ps.add(c.RoleARN != "" && !roleARN.MatchString(c.RoleARN), "credentials.role_arn",
		"acs:ram::<account>:role/<name>", fmt.Sprintf("%.80q is no role", c.RoleARN))
	ps.add(c.RoleARN == "" && c.RoleSessionName != "", "credentials.role_session_name", "set role_arn too", "is for a role")
	ps.add(c.RoleARN == "" && c.ExternalID != "", "credentials.external_id", "set role_arn too", "is for a role")
	ps.add(c.RoleSessionName != "" && !sessionName.MatchString(c.RoleSessionName), "credentials.role_session_name",
		"2 to 64 of A-Z a-z 0-9 . @ - _", "is no session name")
	return ps
}

// files reports whether static keys are meant.
func (c *Credentials) files() bool {
	return c.AccessKeyIDFile != "" || c.AccessKeySecretFile != "" || c.SecurityTokenFile != ""
}

// chosen are the sources of keys that are named; there can be but one.
func (c *Credentials) chosen() (names []string) {
	for _, choice := range []struct {
		name string
		is   bool
	}{{"files", c.files()}, {"profile", c.Profile != ""}, {"ecs_role", c.ECSRole != ""}, {"uri", c.URI != ""}} {
		if choice.is {
			names = append(names, choice.name)
		}
	}
	return names
}
