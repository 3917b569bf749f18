package daemon

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/config"
)

// packInfo is a constant 1 for each pack. It names them for dashboards and
// notices, where an ID tells nobody anything.
func packInfo(entries []config.Entry) prometheus.Collector {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "packseal_pack_info", Help: "Constant 1; name is what people call the pack, or its ID when it has no name.",
	}, []string{"source", "pack", "name"})
	for _, e := range entries {
		info.WithLabelValues(e.Pack.Source, e.Pack.Key(), cmp.Or(e.Pack.Name, e.Pack.Key())).Set(1)
	}
	return info
}
