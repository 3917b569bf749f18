package daemon

import (
	"strings"
	"testing"

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
