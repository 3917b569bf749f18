// The dashboards and what makes them: a module of its own, so that packseal does
// not depend on Grafana's SDK. Their description knows metrics by their names
// alone; only the tests run packseal.
module packseal.example/deploy/grafana

go 1.26.0

require (
	github.com/grafana/grafana-foundation-sdk/go v0.0.22
	packseal.example v0.0.0
)

replace packseal.example => ../..
