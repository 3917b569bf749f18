package web

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"packseal.example/internal/fault"
)

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	opts := options(0)
	var trouble error
	opts.Ready = func() error { return trouble }
	h := handler(t, opts)
	if w := get(h, "/-/ready"); w.Code != http.StatusOK || w.Body.String() != "ready\n" {
		t.Errorf("ready: %d %q", w.Code, w.Body)
	}
	trouble = fault.New(fault.SinkUnavailable, "the disk is full").WithHint("make room")
	if w := get(h, "/-/ready"); w.Code != http.StatusServiceUnavailable || w.Body.String() != "not ready: the disk is full\nhint: make room\n" {
		t.Errorf("not ready: %d %q", w.Code, w.Body)
	}
	// A daemon that is alive is healthy, whatever holds up its work.
	if w := get(h, "/-/healthy"); w.Code != http.StatusOK || w.Body.String() != "healthy\n" {
		t.Errorf("healthy: %d %q", w.Code, w.Body)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	calls, outcome := 0, error(nil)
	opts := options(0)
	if w := send(handler(t, opts), "POST", "/-/reload"); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "hint: web.reload: true") {
		t.Errorf("not permitted: %d %q", w.Code, w.Body)
	}
	opts.Reload = func() error { calls++; return outcome }
	h := handler(t, opts)
	if w := send(h, "POST", "/-/reload"); w.Code != http.StatusOK || calls != 1 {
		t.Errorf("permitted: %d %q, %d calls", w.Code, w.Body, calls)
	}
	outcome = errors.New("packs[0].id: missing")
	if w := send(h, "POST", "/-/reload"); w.Code != http.StatusInternalServerError || w.Body.String() != "reloading: packs[0].id: missing\n" {
		t.Errorf("a bad file: %d %q", w.Code, w.Body)
	}
	// A browser that another site makes send it.
	calls = 0
	for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://elsewhere.example"} {
		if w := send(h, "POST", "/-/reload", header); w.Code != http.StatusForbidden || calls != 0 {
			t.Errorf("%s: %d, %d calls", header, w.Code, calls)
		}
	}
	if w := get(h, "/-/reload"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" || calls != 0 {
		t.Errorf("GET: %d, Allow %q, %d calls", w.Code, w.Header().Get("Allow"), calls)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "packseal_ok", Help: "Ok."}, func() float64 { return 42 }))
	registry.MustRegister(brokenCollector{})
	opts := options(0)
	opts.Gatherer = registry
	logger, log := logged()
	opts.Logger = logger
	h := handler(t, opts)
	wantAll(t, get(h, "/metrics").Body.String(), "packseal_ok 42") // one broken collector blinds nobody
	wantAll(t, log.String(), "error gathering metrics: it is broken")
	w := get(h, "/metrics", "Accept: application/openmetrics-text; version=1.0.0")
	wantAll(t, w.Body.String(), "packseal_ok 42", "# EOF")
	wantAll(t, w.Header().Get("Content-Type"), "application/openmetrics-text")
}

// brokenCollector fails each time it is gathered.
type brokenCollector struct{}

func (brokenCollector) Describe(chan<- *prometheus.Desc) {}

func (brokenCollector) Collect(c chan<- prometheus.Metric) {
	c <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(errors.New("it is broken")), nil)
}

// TestMetricsAreBounded: one scrape too many is refused at once.
func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	opts := options(0)
	inside, leave := make(chan bool), make(chan bool)
	opts.Gatherer = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { inside <- true; <-leave; return nil, nil })
	h := handler(t, opts)
	done := make(chan int)
	for range maxScrapes {
		go func() { done <- get(h, "/metrics").Code }()
		<-inside
	}
	if w := get(h, "/metrics"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("one scrape too many answers %d", w.Code)
	}
	close(leave)
	for range maxScrapes {
		if code := <-done; code != http.StatusOK {
			t.Errorf("a scrape answers %d", code)
		}
	}
}
