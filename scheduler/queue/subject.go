package queue

import (
	"strings"

	"packseal.example/scheduler/replica"
)

// prefix is the stream's name, and what its subjects begin with. A slot's
// message has the subject
//
//	<prefix>.slots.<source>.<pack>
//
// and there is at most one message per subject: one slot per pack.
type prefix string

const defaultPrefix = "packseal"

// stream is the stream's name.
func (p prefix) stream() string { return string(p) }

// bucket is the name of the bucket that is shared by all replicas.
func (p prefix) bucket() string { return string(p) + "_board" }

// subjects is what the subjects of all slots begin with.
func (p prefix) subjects() string { return string(p) + ".slots." }

// subject is where the pack's slot is kept.
func (p prefix) subject(source, pack string) string {
	return p.subjects() + replica.Token(source) + "." + replica.Token(pack)
}

// source is the source of the slot that is kept under the subject.
func (p prefix) source(subject string) string {
	token, _, _ := strings.Cut(subject[len(p.subjects()):], ".")
	name, _ := replica.ParseToken(token)
	return name
}

// consumer is the name of the source's consumer.
func consumer(source string) string { return replica.Token(source) }
