package queue

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/certfile"
	"packseal.example/internal/secret"
	"packseal.example/internal/units"
	"packseal.example/scheduler/replica"
)

// Embedded are the options of the embedded queue: the `queue.embedded` entry of
// the configuration file. A zero field means its default.
type Embedded struct {
	MaxBytes units.Size `yaml:"max_bytes,omitempty"` // what the queue's store may take on disk; default 256 MiB
	Cluster  *Cluster   `yaml:"cluster,omitempty"`   // the replicas themselves form one queue; default: this process is alone
}

// memberName is what the replica is called by its configuration, or empty.
func (e Embedded) memberName() string { return cmp.Or(e.Cluster, &Cluster{}).Member }

// Cluster joins the embedded queues of several replicas. All of it but Member is
// the same in each of them. The port that it opens is for replicas alone: whoever
// joins there can read and change every slot.
type Cluster struct {
	Name      string      `yaml:"name,omitempty"`       // of the cluster; default packseal
	Member    string      `yaml:"member,omitempty"`     // this replica's own name, the same after each restart; default: the host's name
	Size      int         `yaml:"size,omitempty"`       // how many replicas there are: 3, of which one may be gone; 5, any two; 7, also any two; default 3
	Listen    string      `yaml:"listen,omitempty"`     // address and port for the other replicas; default :6222
	Routes    []string    `yaml:"routes,omitempty"`     // every replica's host and port; this one's own may be among them
	DNS       string      `yaml:"dns,omitempty"`        // instead of routes: a name and port, such as a headless service's, that resolves to all replicas
	TokenFile secret.File `yaml:"token_file,omitempty"` // a secret that all replicas share; this or tls is required
	TLS       *TLS        `yaml:"tls,omitempty"`        // encrypts, and accepts whoever has a certificate of ca_file
}

func (c Cluster) name() string   { return cmp.Or(c.Name, "packseal") }
func (c Cluster) size() int      { return cmp.Or(c.Size, 3) }
func (c Cluster) listen() string { return cmp.Or(c.Listen, ":6222") }

// NATS are the options of a queue on NATS servers that exist already, with
// JetStream: the `queue.nats` entry of the configuration file.
type NATS struct {
	Servers         []string    `yaml:"servers"`                    // nats:// or tls://, host and port; required
	CredentialsFile secret.File `yaml:"credentials_file,omitempty"` // a user's JWT and key (.creds)
	NkeyFile        secret.File `yaml:"nkey_file,omitempty"`        // a user's nkey seed
	TLS             *TLS        `yaml:"tls,omitempty"`              // default: as the servers' addresses say, with the system's CAs
	Domain          string      `yaml:"domain,omitempty"`           // the JetStream domain; default: that of the account
	Replicas        int         `yaml:"replicas,omitempty"`         // how many servers keep each slot, 1 to 5; default 3, or 1 where the servers form no cluster
	Prefix          string      `yaml:"prefix,omitempty"`           // the stream's name, and the first word of subjects; default packseal
	MaxBytes        units.Size  `yaml:"max_bytes,omitempty"`        // what the stream may take on disk; default 256 MiB
}

func (n NATS) prefix() prefix      { return prefix(cmp.Or(n.Prefix, defaultPrefix)) }
func (n NATS) maxBytes() int64     { return int64(cmp.Or(n.MaxBytes, 256<<20)) }
func (e Embedded) maxBytes() int64 { return int64(cmp.Or(e.MaxBytes, 256<<20)) }

// TLS are the certificates of one side. They are read for each connection, so
// that new ones need no restart.
type TLS struct {
	CAFile   string      `yaml:"ca_file,omitempty"`   // PEM; the CAs that the other side's certificate is verified against
	CertFile string      `yaml:"cert_file,omitempty"` // PEM; our own certificate, and
	KeyFile  secret.File `yaml:"key_file,omitempty"`  // its key
}

func (t TLS) files() certfile.Files { return certfile.Files(t) }

// Timing is how long the queue waits for things. A zero field means its default.
type Timing struct {
	Replicas   replica.Timing
	DiskCheck  time.Duration // between two checks whether the disk has failed; default 3 s
	StallCheck time.Duration // between two checks whether a consumer has stalled; default 1 min
	StallAfter time.Duration // that a slot has waited although there was room for it; default 10 min, longer than any slot is put back for
	WaitReport time.Duration // after which it is logged that Open waits for servers; default 10 s, as an election takes a while
}

// withDefaults returns the timing with nothing of the queue's own left at zero.
func (t Timing) withDefaults() Timing {
	return Timing{
		Replicas:   t.Replicas,
		DiskCheck:  cmp.Or(t.DiskCheck, 3*time.Second),
		StallCheck: cmp.Or(t.StallCheck, time.Minute),
		StallAfter: cmp.Or(t.StallAfter, 10*time.Minute),
		WaitReport: cmp.Or(t.WaitReport, 10*time.Second),
	}
}

// Options are what the queue needs. Required fields are marked. At most one of
// Embedded and NATS is set; default is an Embedded with its defaults.
type Options struct {
	Dir        string                // required; the folder of lock and store, made if missing; one process at a time
	Logger     *slog.Logger          // required
	Registerer prometheus.Registerer // required
	Embedded   *Embedded
	NATS       *NATS
	Timing     Timing

	// Trouble returns why the last attempt at the pack's slot failed, or "", for
	// [JetStream.List]. May be nil.
	Trouble func(source, pack string) string
}

// embedded returns the embedded queue's options, or the defaults.
func (o Options) embedded() Embedded { return *cmp.Or(o.Embedded, &Embedded{}) }
