package daemon

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/config"
	"packseal.example/fetcher/discovery"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/notify"
)

// tellAccounts tells which accounts of a source have come and gone. Of one that is
// gone, so are its packs. old is the runtime from before.
func (s *services) tellAccounts(old *runtime, l listed) {
	for _, a := range l.changes.AccountsFound {
		if old.cfg.KeepsAccount(l.source, a.AccountInfo) && !a.Found.IsZero() {
			s.Logger.Info("account found", "source", evidence.MemberSource(l.source, a.ID), "name", a.Name)
		}
	}
	now := time.Now().UTC().Truncate(time.Second)
	for _, a := range l.changes.AccountsGone {
		source := evidence.MemberSource(l.source, a.ID)
		if _, ok := old.sources[source]; !ok {
			continue
		}
		s.Logger.Warn("account gone", "source", source, "name", a.Name)
		for _, e := range old.entries {
			if e.Pack.Source == source && !s.runtime.Load().has(e.PackRef) {
				s.notices.Gone(notify.Event{Source: source, Pack: e.Pack.Key(), Name: e.Name, Labels: e.Labels, Zone: e.TimeZone, At: now})
			}
		}
	}
}

// newMember reports whether a source stands for an account that came after the others.
func (s *services) newMember(cfg *config.Config, source string) bool {
	member, ok := cfg.Member(source)
	if !ok {
		return false
	}
	for _, a := range s.discovered.of(member.Parent).Accounts {
		if a.ID == member.ID {
			return !a.Found.IsZero()
		}
	}
	return false
}

// notListed is the event that a source can't be listed.
func notListed(source, name string, err error) notify.Event {
	return notify.Event{
		Source: source, Name: name, At: time.Now().UTC().Truncate(time.Second),
		Reason: fault.Of(err), Detail: err.Error(), Hint: fault.Hint(err),
	}
}

var descAccounts = prometheus.NewDesc("packseal_discovery_accounts",
	"Member accounts that the source was found to have, by what is done with them: kept, excluded by a rule, refused (kept, but the last listing of its packs failed). Absent before all were listed once, and while the source is disabled.", []string{"source", "state"}, nil)

// accounts shows how many member accounts a source has.
func (c discoveryCollector) accounts(ch chan<- prometheus.Metric, cfg *config.Config, source string, st discovery.State) {
	if cfg.Sources[source].Accounts == nil || !cfg.Enabled(source) || st.AccountsListed.IsZero() {
		return
	}
	kept, excluded, refused := 0, 0, 0
	for _, a := range st.Accounts {
		switch {
		case !cfg.KeepsAccount(source, a.AccountInfo):
			excluded++
		case c.discovered.of(evidence.MemberSource(source, a.ID)).Failing() != nil:
			refused++
		default:
			kept++
		}
	}
	for state, n := range map[string]int{"kept": kept, "excluded": excluded, "refused": refused} {
		ch <- prometheus.MustNewConstMetric(descAccounts, prometheus.GaugeValue, float64(n), source, state)
	}
}
