// Package queue keeps the slots that are due and not settled yet, and hands each
// of them to one worker at a time, in one of any number of replicas; when that
// worker dies, to another one.
//
// It is NATS JetStream, in this process or on servers outside. A stream holds at
// most one slot per pack, and each source has a consumer:
//
//	Publish ──▶ stream ──▶ consumer of the source ──▶ pool of workers ──▶ Handler
//	               ▲                                        │
//	               └──────── again after a delay ───────────┴──▶ settled: deleted
//
// The queue is disposable: if all of it is lost, the scheduler finds out from
// the archive which slots are still owed. A slot may be handed out twice, after
// a crash or a network failure; the archive accepts the first result only.
package queue
