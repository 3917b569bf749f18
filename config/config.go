// Package config is packseal's configuration file: one YAML document that names
// the sources, the packs, their schedules and the sinks.
//
// [Load] is strict, see package strictyaml. An unknown key, a value of the wrong
// kind, an entry with two backends: each is a fault with its path, its line and a
// hint, and all of them are reported at once, as an [*Error].
//
// Secrets are never in the file; keys that end in _file name the files that hold
// them. Relative paths (dir, *_dir, *_file) start from the folder of the
// configuration file, so that a configuration can be moved as a whole; a file
// that systemd has loaded as a credential is found by the same name.
//
// The backends are listed in one place: the pointer fields of [Source], [Sink]
// and [Notice]. Their types implement fetcher.Opener, sink.Opener and
// notify.Opener.
package config

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"packseal.example/config/strictyaml"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig"
	"packseal.example/internal/evidence"
	"packseal.example/internal/i18n"
	"packseal.example/scheduler/queue"
	"packseal.example/sink/local"
	"packseal.example/sink/oss"
	"packseal.example/sink/s3"
)

// Config is the whole file.
type Config struct {
	StateDir string            `yaml:"state_dir,omitempty"` // the spool and the queue's store; default /var/lib/packseal
	Sources  map[string]Source `yaml:"sources"`             // where reports come from, by name; at least one
	Defaults Defaults          `yaml:"defaults,omitempty"`  // the settings of packs that leave them out
	Packs    []Pack            `yaml:"packs,omitempty"`     // what reports are kept of; at least one, unless a source discovers them
	// More packs, from files of their own: the name of a file, or a pattern such as
	// packs.d/*.yaml. Each holds packs, written as here, and nothing else.
	PacksFile string           `yaml:"packs_file,omitempty"`
	Sinks     []Sink           `yaml:"sinks"`               // where reports are kept: each in the first, and in the others that its pack names, or else in all; at least one
	Notify    []Notice         `yaml:"notify,omitempty"`    // the channels that notices are sent to; default none
	Queue     Queue            `yaml:"queue,omitempty"`     // where slots wait for a worker
	Web       Web              `yaml:"web,omitempty"`       // the page, the JSON and the metrics
	Fetch     fetcher.Settings `yaml:"fetch,omitempty"`     // how reports are polled for and downloaded
	Verify    Verify           `yaml:"verify,omitempty"`    // when the daemon verifies the archive by itself; default never
	Retention Retention        `yaml:"retention,omitempty"` // when reports are removed that are old; default never
	Ledger    *Ledger          `yaml:"ledger,omitempty"`    // the signed list of what was kept; default none
	Log       Log              `yaml:"log,omitempty"`       // the level and the format of the log

	file  string               // the name given to Load or Parse
	doc   *strictyaml.Document // has the places of all paths
	files []packsFile          // that packs_file stands for

	// See With.
	discovered []Pack
	names      map[evidence.PackRef]string // of all packs that were found
}

// File returns the name of the file, as it was given to [Load] or [Parse].
func (c *Config) File() string { return c.file }

// Summary says how many packs and sinks there are, and how many sources discover
// packs: "3 packs, 1 ended and 1 disabled, discovery from 2 sources, 1 sink".
func (c *Config) Summary() string {
	n := make(map[Verdict]int)
	for _, e := range c.all() {
		n[e.Verdict(time.Now())]++
	}
	packs, more := i18n.Count(n[Kept], "pack"), []string(nil)
	for _, v := range []Verdict{Ended, Disabled} {
		if n[v] > 0 {
			more = append(more, fmt.Sprintf("%d %s", n[v], v))
		}
	}
	if len(more) > 0 {
		packs = strings.Join(append([]string{packs}, more[:len(more)-1]...), ", ") + " and " + more[len(more)-1]
	}
	discovering := 0
	for name := range c.Sources {
		if _, member := c.Member(name); !member && c.Discovers(name) {
			discovering++
		}
	}
	if discovering > 0 {
		packs += ", discovery from " + i18n.Count(discovering, "source")
	}
	return packs + ", " + i18n.Count(len(c.Sinks), "sink")
}

// Source is one API that makes reports. Exactly one of its backends is set.
type Source struct {
	Enabled     *bool                `yaml:"enabled,omitempty"`     // false: nothing is asked of the source, and none of its packs is scheduled; default true
	Sinks       []string             `yaml:"sinks,omitempty"`       // as under defaults, for its packs
	CloudConfig *cloudconfig.Options `yaml:"cloudconfig,omitempty"` // Alibaba Cloud Config
	Accounts    *Accounts            `yaml:"accounts,omitempty"`    // the member accounts of a Resource Directory, each of which is a source as this one is; default none
	Discover    Discover             `yaml:"discover,omitempty"`    // which of its packs are kept without an entry under packs; default none

	member Member         // of a source that stands for a member account
	parent fetcher.Opener // what lists it
}

// Defaults are the settings of packs, and the credentials of sources, that leave them
// out.
type Defaults struct {
	Credentials *cloudconfig.Credentials `yaml:"credentials,omitempty"` // of sources without credentials; one that has no more than a role_arn has it assumed with these; default: the Alibaba Cloud SDK credential chain

	Source   string         `yaml:"source,omitempty"`    // a name under sources; default: the only one there is
	Schedule string         `yaml:"schedule,omitempty"`  // cron fields, @daily and its like, or "@every 15m"; default "0 2 * * *"
	TimeZone string         `yaml:"time_zone,omitempty"` // of the schedule, an IANA name; default UTC
	Jitter   *time.Duration `yaml:"jitter,omitempty"`    // each pack starts up to this long after it is due, always by the same share; default 0s
	CatchUp  *time.Duration `yaml:"catch_up,omitempty"`  // a missed slot is caught up with if it is no older than this; 0s = never; default 24h
	Timeout  *time.Duration `yaml:"timeout,omitempty"`   // a slot that takes longer becomes a gap; default 2h
	Sinks    []string       `yaml:"sinks,omitempty"`     // the names of the sinks that keep the reports; the first of all sinks must be among them; default every one
}

// Pack is what reports are made of, and kept: a compliance pack or, by its kind,
// something else.
type Pack struct {
	Kind       string            `yaml:"kind,omitempty" jsonschema:"enum=rules,enum=template,enum=inventory"` // rules (a report of all rules), template (a report template) or inventory (of resources); default: a compliance pack
	ID         string            `yaml:"id,omitempty"`                                                        // the ID of the compliance pack, "cp-…", or of the report template, "crt-…": required for them; rules and inventory have none
	Name       string            `yaml:"name,omitempty"`                                                      // its display name; default: of a compliance pack, as Config calls it, where the credentials may list packs
	Labels     map[string]string `yaml:"labels,omitempty"`                                                    // kept in each record, shown on the page and in metrics, and what notices can be routed by, such as owner: security; at most 16, each value on one line of at most 256 bytes
	Aggregator string            `yaml:"aggregator,omitempty"`                                                // the account group "ca-…" that the pack belongs to, or whose rules or resources are meant; default none
	Source     string            `yaml:"source,omitempty"`                                                    // this and the next six: as under defaults; sinks are those of the source, where it has them
	Schedule   string            `yaml:"schedule,omitempty"`
	TimeZone   string            `yaml:"time_zone,omitempty"`
	Jitter     *time.Duration    `yaml:"jitter,omitempty"`
	CatchUp    *time.Duration    `yaml:"catch_up,omitempty"`
	Timeout    *time.Duration    `yaml:"timeout,omitempty"`
	Sinks      []string          `yaml:"sinks,omitempty"`
	Enabled    *bool             `yaml:"enabled,omitempty"`  // false: the pack is not scheduled, as if it were not here, but is not told of as not kept; default true
	Evaluate   time.Duration     `yaml:"evaluate,omitempty"` // have the rules of the compliance pack evaluated before each report, and wait so long for that at most; it may run functions of yours, which cost money; default 0s = never
	Since      time.Time         `yaml:"since,omitempty"`    // no report is owed for slots before this: a date (midnight UTC) or an RFC 3339 time; default: no bound
	Until      time.Time         `yaml:"until,omitempty"`    // no slot falls due after this, written like since: of a date, midnight UTC as well, so that 2027-12-31 leaves out that day; default: no bound
}

// Sink is one place where reports are kept. Exactly one of its backends is set.
type Sink struct {
	Name  string         `yaml:"name"`            // in logs, metrics and records; required
	Local *local.Options `yaml:"local,omitempty"` // a folder
	OSS   *oss.Options   `yaml:"oss,omitempty"`   // a bucket of Alibaba Cloud OSS
	S3    *s3.Options    `yaml:"s3,omitempty"`    // a bucket of S3-compatible storage
}

// Queue is where slots wait for a worker. At most one field is set; default
// is embedded.
type Queue struct {
	Embedded *queue.Embedded `yaml:"embedded,omitempty"` // in this process, with its store under state_dir
	NATS     *queue.NATS     `yaml:"nats,omitempty"`     // on existing NATS servers with JetStream
}

// Web is how the page, the JSON and the metrics are served.
type Web struct {
	Listen     string `yaml:"listen,omitempty"`      // address and port; default 127.0.0.1:9797
	ConfigFile string `yaml:"config_file,omitempty"` // TLS and passwords, as a web configuration file of Prometheus exporters; default neither
	// How people reach the page from elsewhere, such as https://packseal.example.com;
	// notices link to it. Default: they have no links.
	ExternalURL string `yaml:"external_url,omitempty"`
	AllowOpen   bool   `yaml:"allow_open,omitempty"` // no warning that others can reach the page without TLS or a password: something else protects it; default false
	Reload      bool   `yaml:"reload,omitempty"`     // permit POST /-/reload; default false
}

// Verify is when the daemon reads everything back and compares it with its
// manifests, as packseal verify does. Of several replicas, one does it.
type Verify struct {
	Schedule string `yaml:"schedule,omitempty"`  // written like a pack's schedule; default never
	TimeZone string `yaml:"time_zone,omitempty"` // an IANA name; default: that under defaults
	Share    string `yaml:"share,omitempty"`     // of the reports, how many each run reads, such as 5%: those that fell due first, and the next run goes on from there. Records are read all; default: all reports
	Repair   bool   `yaml:"repair,omitempty"`    // copy to a sink what it lacks, from another one that has it as manifests and ledger say; default false
}

// Log is the level and the format of the log.
type Log struct {
	Level  string `yaml:"level,omitempty" jsonschema:"enum=debug,enum=info,enum=warn,enum=error"` // debug, info, warn or error; a reload changes it; default info
	Format string `yaml:"format,omitempty" jsonschema:"enum=auto,enum=text,enum=json"`            // text, json, or auto: text on a terminal and json otherwise; default auto
}

// Slog is the level as package slog has it: info where there is none.
func (l Log) Slog() (level slog.Level) {
	level.UnmarshalText([]byte(l.Level)) //nolint:errcheck // checked with the configuration
	return level
}
