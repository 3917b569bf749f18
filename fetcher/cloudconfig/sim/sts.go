package sim

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// assumeRole is the call of STS (version 2015-04-01) for keys of a role.
const assumeRole = "AssumeRole"

// How long the keys of a role are good, in seconds.
const (
	shortestSession = 900
	longestSession  = 3600
)

var (
	roleARN     = regexp.MustCompile(`^acs:ram::(\d+):role/([A-Za-z0-9._-]{1,64})$`)
	sessionName = regexp.MustCompile(`^[A-Za-z0-9.@_-]{2,64}$`)
)

// parseRole splits the ARN of a role.
func parseRole(arn string) (account, name string, ok bool) {
	m := roleARN.FindStringSubmatch(arn)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// assume returns keys of a role. As with STS, that a role does not exist is said only
// of accounts that trust the caller.
func (s *Server) assume(q *request) (any, *refusal) {
	arn, session := q.params.Get("RoleArn"), q.params.Get("RoleSessionName")
	if arn == "" {
		return nil, missing("RoleArn")
	}
	id, name, ok := parseRole(arn)
	if !ok {
		return nil, refuse("InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed.")
	}
	if session == "" {
		return nil, missing("RoleSessionName")
	}
	if !sessionName.MatchString(session) {
		return nil, refuse("InvalidParameter.RoleSessionName", "The parameter RoleSessionName is wrongly formed.")
	}
	seconds, ok := q.number("DurationSeconds", longestSession, longestSession)
	if !ok || seconds < shortestSession {
		return nil, refuse("InvalidParameter.DurationSeconds", "The Min/Max value of DurationSeconds is 15min/1hr.")
	}
	if refused := s.trusts(id, name, q.params.Get("ExternalId"), arn); refused != nil {
		return nil, refused
	}
	u := &user{keyID: "STS." + rand.Text(), secret: rand.Text(), token: "CAIS" + rand.Text() + rand.Text(), until: q.now.Add(time.Duration(seconds) * time.Second)}
	if id != mainAccount {
		u.account = id
	}
	s.open(u, q.now)
	return assumedRole{
		RequestId:       q.id,
		AssumedRoleUser: assumedRoleUser{Arn: strings.Replace(arn, ":role/", ":assumed-role/", 1) + "/" + session, AssumedRoleId: "3" + id + ":" + session},
		Credentials: temporaryKeys{
			AccessKeyId: u.keyID, AccessKeySecret: u.secret, SecurityToken: u.token, Expiration: u.until.UTC().Format("2006-01-02T15:04:05Z"),
		},
	}, nil
}

// trusts returns why the role can't be assumed, or nil.
func (s *Server) trusts(id, name, externalID, arn string) *refusal {
	if id == mainAccount {
		return nil
	}
	a := s.accountOf(id)
	switch {
	case a == nil, a.Untrusting, a.ExternalID != "" && a.ExternalID != externalID:
		return Failure{Code: "NoPermission"}.worded("You are not authorized to do this action. You should be authorized by RAM.")
	case a.Role != name:
		return Failure{Code: "EntityNotExist.Role"}.worded(fmt.Sprintf("The role not exists: %s.", arn))
	}
	return nil
}

// open makes keys known, and forgets those that have expired.
func (s *Server) open(u *user, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions)%1024 == 0 {
		for id, old := range s.sessions {
			if now.After(old.until.Add(time.Hour)) {
				delete(s.sessions, id)
			}
		}
	}
	s.sessions[u.keyID] = u
}

// signer returns whose key signs a call: a session's or else the only user's.
func (s *Server) signer(c *call) *user {
	id := c.params.Get("AccessKeyId")
	if c.acs3 {
		_, rest, _ := strings.Cut(c.r.Header.Get("Authorization"), "Credential=")
		id, _, _ = strings.Cut(rest, ",")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if u := s.sessions[id]; u != nil {
		return u
	}
	return s.user.Load()
}
