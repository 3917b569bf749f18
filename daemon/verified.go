package daemon

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/archive"
)

// verified is what the last run of the verify verb found. It is kept under
// state_dir, from where the daemon shows it: verification runs beside the
// daemon, and its metrics outlive both.
type verified struct {
	Success  time.Time            `json:"success,omitzero"` // the end of the last run that read everything and found nothing
	Findings map[archive.Kind]int `json:"findings"`         // of the last run that read everything
}

func verifiedPath(stateDir string) string { return filepath.Join(stateDir, "verify.json") }

// loadVerified returns what is kept; nothing kept is the zero value.
func loadVerified(stateDir string) (v verified) {
	if b, err := os.ReadFile(verifiedPath(stateDir)); err == nil {
		json.Unmarshal(b, &v) //nolint:errcheck // what can't be read counts as never verified
	}
	return v
}

// counts are the findings by kind, without those that there are none of.
func (v verified) counts() map[string]int {
	counts := make(map[string]int)
	for k, n := range v.Findings {
		if n > 0 {
			counts[string(k)] = n
		}
	}
	return counts
}

// SaveVerified keeps the result of a run that has just ended.
func SaveVerified(stateDir string, r archive.Result) error {
	v := verified{Success: loadVerified(stateDir).Success, Findings: make(map[archive.Kind]int)}
	for _, f := range r.Problems {
		v.Findings[f.Kind]++
	}
	if len(r.Problems) == 0 {
		v.Success = time.Now().UTC()
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := verifiedPath(stateDir) + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeOwned(tmp, stateDir, b); err != nil {
		return err
	}
	return os.Rename(tmp, verifiedPath(stateDir))
}

// writeOwned makes a file in dir. What root makes belongs to the folder's
// owner, whom the daemon runs as; nobody can make root write through a link.
func writeOwned(name, dir string, b []byte) (err error) {
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if owner, ok := fi.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	_, err = f.Write(b)
	return err
}

// verifiedCollector shows what is kept, read at each scrape.
type verifiedCollector string

var (
	descVerified = prometheus.NewDesc("packseal_verify_last_success_timestamp_seconds", "When packseal verify last read everything and found nothing; 0 when never.", nil, nil)
	descFindings = prometheus.NewDesc("packseal_verify_problems", "What the last packseal verify found, by kind.", []string{"kind"}, nil)
)

// Describe names the two metrics.
func (verifiedCollector) Describe(ch chan<- *prometheus.Desc) { ch <- descVerified; ch <- descFindings }

// Collect reads them.
func (stateDir verifiedCollector) Collect(ch chan<- prometheus.Metric) {
	v := loadVerified(string(stateDir))
	at := 0.0
	if !v.Success.IsZero() {
		at = float64(v.Success.Unix())
	}
	ch <- prometheus.MustNewConstMetric(descVerified, prometheus.GaugeValue, at)
	for _, k := range archive.Kinds() {
		ch <- prometheus.MustNewConstMetric(descFindings, prometheus.GaugeValue, float64(v.Findings[k]), string(k))
	}
}
