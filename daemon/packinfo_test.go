package daemon

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/config"
	"packseal.example/internal/evidence"
)

// TestPackInfo: a pack without a name goes by its key.
func TestPackInfo(t *testing.T) {
	t.Parallel()
	want := `# HELP packseal_pack_info Constant 1; name is what people call the pack, or its ID when it has no name.
# TYPE packseal_pack_info gauge
packseal_pack_info{name="MLPS level 3 等保三级",pack="cp-1",source="prod"} 1
packseal_pack_info{name="ca-1/cp-2",pack="ca-1/cp-2",source="prod"} 1
`
	c := packInfo{func() []config.Entry {
		return []config.Entry{
			{Pack: evidence.Pack{PackRef: evidence.PackRef{Source: "prod", ID: "cp-1"}, Name: "MLPS level 3 等保三级"}},
			{Pack: evidence.Pack{PackRef: evidence.PackRef{Source: "prod", Aggregator: "ca-1", ID: "cp-2"}}},
		}
	}}
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// TestPackLabels: a pack's labels are those of its series; one without has none.
func TestPackLabels(t *testing.T) {
	t.Parallel()
	want := `# HELP packseal_pack_labels Constant 1; the labels are the pack's own, each with label_ before it.
# TYPE packseal_pack_labels gauge
packseal_pack_labels{label_cost_center="42",label_owner="安全",pack="cp-1",source="prod"} 1
packseal_pack_labels{label_owner="ops",pack="ca-1/cp-2",source="prod"} 1
`
	pack := func(aggregator, id string, labels map[string]string) config.Entry {
		return config.Entry{Pack: evidence.Pack{PackRef: evidence.PackRef{Source: "prod", Aggregator: aggregator, ID: id}, Labels: labels}}
	}
	c := packLabels{func() []config.Entry {
		return []config.Entry{
			pack("", "cp-1", map[string]string{"owner": "安全", "cost-center": "42"}), pack("ca-1", "cp-2", map[string]string{"owner": "ops"}), pack("", "cp-3", nil),
		}
	}}
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "packseal_pack_labels"); err != nil {
		t.Error(err)
	}
}
