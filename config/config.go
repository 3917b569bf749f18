// Package config is packseal's configuration file: one YAML document that
// names the sources, the packs, their schedules and the sinks.
//
// [Load] is strict. A key that is not known, a value of the wrong kind, an
// entry with two backends: each is a fault with its path, its line and a hint,
// and all of them are reported at once, as an [*Error].
//
// Secrets are never in the file; keys that end in _file name the files that
// hold them. A relative path (dir, *_dir, *_file) starts from the folder of
// the configuration file, so that a configuration can be moved as a whole; a
// file that systemd has loaded as a credential is found by the same name.
//
// Which backends there are is said in one place: the pointer fields of
// [Source], [Sink] and [Notice]. Their types implement fetcher.Opener,
// sink.Opener and notify.Opener.
package config

import (
	"time"

	"packseal.example/config/strictyaml"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig"
	"packseal.example/scheduler/queue"
	"packseal.example/sink/local"
	"packseal.example/sink/s3"
)

// Config is the whole file.
type Config struct {
	StateDir string            `yaml:"state_dir,omitempty"` // the spool and the queue's store; default /var/lib/packseal
	Sources  map[string]Source `yaml:"sources"`             // where reports come from, by name; at least one
	Defaults Defaults          `yaml:"defaults,omitempty"`  // what holds for every pack that does not say otherwise
	Packs    []Pack            `yaml:"packs"`               // whose reports are kept; at least one
	Sinks    []Sink            `yaml:"sinks"`               // where reports are kept: every report goes to each of them; at least one
	Notify   []Notice          `yaml:"notify,omitempty"`    // who is told of gaps and the like; default nobody
	Queue    Queue             `yaml:"queue,omitempty"`     // what hands the slots to the workers
	Web      Web               `yaml:"web,omitempty"`       // the page, the JSON and the metrics
	Fetch    fetcher.Settings  `yaml:"fetch,omitempty"`     // how reports are waited for and downloaded
	Log      Log               `yaml:"log,omitempty"`       // what is logged, and how

	file string               // as it was named to Load or Parse
	doc  *strictyaml.Document // where everything is
}

// Source is one API that makes reports. Exactly one field is set.
type Source struct {
	CloudConfig *cloudconfig.Options `yaml:"cloudconfig,omitempty"` // Alibaba Cloud Config
}

// Defaults are what a pack's fields are when it leaves them out.
type Defaults struct {
	Source   string         `yaml:"source,omitempty"`    // a name under sources; default: the only one there is
	Schedule string         `yaml:"schedule,omitempty"`  // cron fields, @daily and its like, or "@every 15m"; default "0 2 * * *"
	TimeZone string         `yaml:"time_zone,omitempty"` // of the schedule, a name of the IANA database; default UTC
	Jitter   *time.Duration `yaml:"jitter,omitempty"`    // each pack starts up to this long after it is due, by a fixed share of its own; default 0s
	CatchUp  *time.Duration `yaml:"catch_up,omitempty"`  // a missed slot no older than this is made up for; 0s = never; default 24h
	Timeout  *time.Duration `yaml:"timeout,omitempty"`   // a slot that takes longer becomes a gap; default 2h
}

// Pack is one compliance pack whose reports are kept.
type Pack struct {
	ID         string         `yaml:"id"`                   // the pack's ID, "cp-…"; required
	Name       string         `yaml:"name,omitempty"`       // what people call it
	Aggregator string         `yaml:"aggregator,omitempty"` // the account group "ca-…" that the pack belongs to; default none
	Source     string         `yaml:"source,omitempty"`     // this and the next five: as under defaults
	Schedule   string         `yaml:"schedule,omitempty"`
	TimeZone   string         `yaml:"time_zone,omitempty"`
	Jitter     *time.Duration `yaml:"jitter,omitempty"`
	CatchUp    *time.Duration `yaml:"catch_up,omitempty"`
	Timeout    *time.Duration `yaml:"timeout,omitempty"`
	Since      time.Time      `yaml:"since,omitempty"` // no slot from before this is owed: a date (midnight UTC) or an RFC 3339 time; default: no bound
}

// Sink is one place where reports are kept. Exactly one of its backends is set.
type Sink struct {
	Name  string         `yaml:"name"`            // in logs, metrics and records; required
	Local *local.Options `yaml:"local,omitempty"` // a folder
	S3    *s3.Options    `yaml:"s3,omitempty"`    // a bucket of S3-compatible storage
}

// Queue is where slots wait for a worker. At most one field is set; default
// is embedded.
type Queue struct {
	Embedded *queue.Embedded `yaml:"embedded,omitempty"` // in this process, its store under state_dir
	NATS     *queue.NATS     `yaml:"nats,omitempty"`     // on NATS servers with JetStream that exist already
}

// Web is how the page, the JSON and the metrics are served.
type Web struct {
	Listen     string `yaml:"listen,omitempty"`      // address and port; default 127.0.0.1:9797
	ConfigFile string `yaml:"config_file,omitempty"` // TLS and passwords: a web configuration file as Prometheus exporters have it; default neither
	Reload     bool   `yaml:"reload,omitempty"`      // permit POST /-/reload; default false
}

// Log is what is logged, and how.
type Log struct {
	Level  string `yaml:"level,omitempty" jsonschema:"enum=debug,enum=info,enum=warn,enum=error"` // debug, info, warn or error; default info
	Format string `yaml:"format,omitempty" jsonschema:"enum=auto,enum=text,enum=json"`            // text, json, or auto: text on a terminal and json otherwise; default auto
}
