package daemon

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/archive"
	"packseal.example/internal/atomicfile"
)

// verified is what the last run of packseal verify found. It is kept under
// state_dir, from where the daemon shows it: verification runs beside the
// daemon, and its metrics outlive both.
type verified struct {
	Success  time.Time            `json:"success,omitzero"`   // the end of the last run that read everything and found no problem that is not acknowledged
	Ended    time.Time            `json:"ended,omitzero"`     // of the last run that read everything
	Problems map[archive.Kind]int `json:"findings"`           // of that run, by kind; without acknowledged ones
	Repaired int                  `json:"repaired,omitempty"` // objects, by that run
	Place    archive.Place        `json:"place,omitzero"`     // where the next run goes on, if each reads a part of the reports
	Locks    []archive.Locked     `json:"locks,omitempty"`    // of that run
}

func verifiedPath(stateDir string) string { return filepath.Join(stateDir, "verify.json") }

// loadVerified returns what is kept; nothing kept is the zero value.
func loadVerified(stateDir string) (v verified) {
	if b, err := os.ReadFile(verifiedPath(stateDir)); err == nil {
		json.Unmarshal(b, &v) //nolint:errcheck // what can't be read counts as never verified
	}
	return v
}

// counts returns the number of problems by kind, without zeros.
func (v verified) counts() map[string]int {
	counts := make(map[string]int)
	for k, n := range v.Problems {
		if n > 0 {
			counts[string(k)] = n
		}
	}
	return counts
}

// SaveVerified keeps the result of a verification that has just ended, for the
// daemon that runs with this state folder.
func SaveVerified(stateDir string, r archive.Result) error {
	v := verified{Success: loadVerified(stateDir).Success, Ended: time.Now().UTC(), Problems: make(map[archive.Kind]int), Repaired: r.Repaired, Place: r.Place, Locks: r.Locks}
	open := r.Open()
	for _, p := range open {
		v.Problems[p.Kind]++
	}
	if len(open) == 0 {
		v.Success = v.Ended
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return atomicfile.Write(verifiedPath(stateDir), b, 0o640)
}

// What replicas share of verifications: the last one's result, under one key.
const (
	verifiedNotes = "verified"
	lastVerified  = "last"
)

// verified returns what the last verification found, here or on another replica.
func (s *services) verified() verified {
	v, other := loadVerified(s.cfg.StateDir), s.elsewhere.Load()
	if other == nil {
		return v
	}
	if other.Ended.After(v.Ended) {
		v.Ended, v.Problems, v.Repaired, v.Place = other.Ended, other.Problems, other.Repaired, other.Place
	}
	if other.Success.After(v.Success) {
		v.Success = other.Success
	}
	return v
}

// exchangeVerified tells the other replicas what the last verification here found,
// if it is the last of all, and otherwise learns what that found. Page and digest
// show it; metrics and the notice stay those of the replica that verified.
func (s *services) exchangeVerified(ctx context.Context) error {
	q, err := s.queue.get()
	if err != nil {
		return err
	}
	notes := q.Notes(verifiedNotes)
	all, err := notes.Read(ctx)
	if err != nil {
		return err
	}
	own, last := loadVerified(s.cfg.StateDir), new(verified)
	json.Unmarshal(all[lastVerified], last) //nolint:errcheck // what can't be read is replaced
	if !own.Ended.After(last.Ended) {
		s.elsewhere.Store(last)
		return nil
	}
	b, err := json.Marshal(own)
	if err != nil {
		return err
	}
	return notes.Write(ctx, lastVerified, b)
}

// verifiedCollector shows what is kept, read at each scrape.
type verifiedCollector string

var (
	descVerified = prometheus.NewDesc("packseal_verify_last_success_timestamp_seconds", "When packseal verify last read everything, or by its schedule all records and a share of the reports, and found no problem, apart from acknowledged ones; 0 when never.", nil, nil)
	descAllRead  = prometheus.NewDesc("packseal_verify_all_reports_since_timestamp_seconds", "Since when every report that was kept then has been read back; 0 when not yet.", nil, nil)
	descLock     = prometheus.NewDesc("packseal_verify_lock_remaining_seconds", "Until the first lock ends of the objects whose locks the last packseal verify read, in seconds; 0 when one has ended. Only of sinks that lock.", []string{"sink"}, nil)
	descProblems = prometheus.NewDesc("packseal_verify_problems", "Problems that the last packseal verify found, without acknowledged ones, by kind.", []string{"kind"}, nil)
)

// Describe implements [prometheus.Collector].
func (verifiedCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descVerified
	ch <- descAllRead
	ch <- descProblems
	ch <- descLock
}

// Collect implements [prometheus.Collector].
func (stateDir verifiedCollector) Collect(ch chan<- prometheus.Metric) {
	v := loadVerified(string(stateDir))
	for desc, t := range map[*prometheus.Desc]time.Time{descVerified: v.Success, descAllRead: v.Place.Since} {
		at := 0.0
		if !t.IsZero() {
			at = float64(t.Unix())
		}
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, at)
	}
	for _, k := range archive.Kinds() {
		ch <- prometheus.MustNewConstMetric(descProblems, prometheus.GaugeValue, float64(v.Problems[k]), string(k))
	}
	for _, l := range v.Locks {
		ch <- prometheus.MustNewConstMetric(descLock, prometheus.GaugeValue, l.Left(time.Now())*86400, l.Sink)
	}
}
