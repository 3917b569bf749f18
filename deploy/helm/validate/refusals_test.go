package validate

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
)

// TestRefusals: what is wrong is refused, with a message that says what.
func TestRefusals(t *testing.T) {
	t.Parallel()
	file := variants(t)["minimal"]
	for change, want := range map[string]string{
		"replicas=3":                       "replicas: more than 1 needs a queue in common",
		"replicas=2,cluster.tokenSecret=x": "replicas: 3, 5 or 7 form a cluster",
		"replicas=3,cluster.tokenSecret=x": "config.sinks: archive is a folder of each replica's own",
		"replicas=3,cluster.tokenSecret=x,config.queue.nats.servers[0]=nats://n:4222": "two queues",
		"cluster.token=x":                                "'token' not allowed",
		"config.queue.embedded.cluster.dns=x:6222":       "config.queue.embedded.cluster: the chart sets it",
		"replica=1":                                      "additional properties 'replica' not allowed",
		"image.repo=x":                                   "'repo' not allowed",
		"image.digest=latest":                            "at '/image/digest'",
		"config.pack[0].id=cp-fdc8626622af00f90000":      "'pack' not allowed",
		"config.packs[0].shedule=@daily":                 "'shedule' not allowed",
		"config.sources.prod.cloudconfig.endpiont=x":     "'endpiont' not allowed",
		"config.sinks[0].s3.bucket=x":                    "at '/config/sinks/0'",
		"config.packs=null":                              "at '/config/packs'",
		"config.state_dir=/data":                         "config.state_dir: the chart sets it",
		"config.web.listen=:80":                          "config.web.listen: the chart sets it",
		"existingConfigMap=x":                            "existingConfigMap, configVolume: two configurations",
		"configVolume.emptyDir.medium=Memory":            "existingConfigMap, configVolume: two configurations",
		"service.ipFamilyPolicy=DualStack":               "at '/service/ipFamilyPolicy'",
		"networkPolicy.extraEgress[0].port=587":          "'port' not allowed",
		"secrets[0]=packseal-keys":                       "at '/secrets/0'",
		"rrsa.roleName=a,rrsa.roleARN=acs:ram::1:role/a": "rrsa.roleName and rrsa.roleARN",
		"rrsa.roleARN=acs:ram::1:role/a":                 "one needs the other",
		"rrsa.roleARN=arn:aws:iam::1:role/a":             "at '/rrsa/roleARN'",
		"rrsa.roleName=a,serviceAccount.create=false":    "rrsa.roleName: annotates the service account that the chart makes",
		"rrsa.tokenExpirationSeconds=60":                 "minimum: got 60, want 600",
		"ledger.keySecret=x":                             "config.ledger.key_file must be /run/secrets/packseal-ledger/key",
		"ledger.secret=x":                                "'secret' not allowed",
		"persistence.enabled=false,config.ledger.origin=example.com/log,config.ledger.key_file=/run/secrets/packseal/key": "config.ledger: set persistence.enabled",
		"web.scheme=http":                                             "at '/web/scheme'",
		"web.port=80":                                                 "minimum: got 80, want 1,024",
		"persistence.size=lots":                                       "at '/persistence/size'",
		"persistence.enable=true":                                     "'enable' not allowed",
		"persistence.accessModes[0]=ReadOnlyMany":                     "at '/persistence/accessModes/0'",
		"fullnameOverride=4711":                                       "at '/fullnameOverride'",
		"nameOverride=Packseal":                                       "at '/nameOverride'",
		"service.ports=1":                                             "'ports' not allowed",
		"ingress.enabled=true":                                        "ingress.hosts: at least one is needed",
		"ingress.hosts[0].hosts=x":                                    "'hosts' not allowed",
		"serviceMonitor.intervall=1m":                                 "'intervall' not allowed",
		"serviceMonitor.interval=soon":                                "at '/serviceMonitor/interval'",
		"prometheusRule.enable=true":                                  "'enable' not allowed",
		"dashboards.label=x":                                          "'label' not allowed",
		"networkPolicy.ingress=x":                                     "'ingress' not allowed",
		"podDisruptionBudget.minAvailable=1":                          "'minAvailable' not allowed",
		"podDisruptionBudget.maxUnavailable=some":                     "at '/podDisruptionBudget/maxUnavailable'",
		"resources.limit.memory=1Gi":                                  "'limit' not allowed",
		"probes.liveness.period=1":                                    "'period' not allowed",
		"probes.alive.enabled=true":                                   "'alive' not allowed",
		"extraEnv[0].key=x":                                           "at '/extraEnv/0'",
		"extraVolumeMounts[0].name=x":                                 "missing property 'mountPath'",
		"nodeSelector.ssd=true":                                       "at '/nodeSelector/ssd'",
		"affinity.podAntiAfinity.x=y":                                 "'podAntiAfinity' not allowed",
		"topologySpreadConstraints=x":                                 "at '/topologySpreadConstraints'",
		"config.sources.prod.cloudconfig.credentials.access_key_id=x": "'access_key_id' not allowed",
	} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			out, err := helm(t, "template", "release", chart, "--values", file, "--set", change)
			if err == nil {
				t.Fatalf("it is taken:\n%s", out)
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("no %q in %v", want, err)
			}
		})
	}
	if _, err := helm(t, "template", "release", chart); err == nil || !strings.Contains(err.Error(), "missing properties 'sources', 'sinks'") {
		t.Errorf("without a configuration: %v", err)
	}
}

// TestRegistry: the chart is packed, pushed to a registry, pulled, and is
// still the same; its tests' values stay at home.
func TestRegistry(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	if _, err := helm(t, "package", chart, "--destination", dir); err != nil {
		t.Fatal(err)
	}
	at := "oci://" + strings.TrimPrefix(server.URL, "http://") + "/charts"
	if _, err := helm(t, "push", "--plain-http", filepath.Join(dir, "packseal-0.1.0.tgz"), at); err != nil {
		t.Fatal(err)
	}
	pulled := filepath.Join(dir, "pulled")
	if _, err := helm(t, "pull", "--plain-http", "--untar", "--destination", pulled, at+"/packseal", "--version", "0.1.0"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(pulled, "packseal", "files", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(read(t, "files/rules.yaml")), string(got)); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(pulled, "packseal", "ci")); !os.IsNotExist(err) {
		t.Errorf("ci is packed too: %v", err)
	}
	want, err := helm(t, "template", "release", chart, "--values", variants(t)["everything"])
	if err != nil {
		t.Fatal(err)
	}
	same, err := helm(t, "template", "release", filepath.Join(pulled, "packseal"), "--values", variants(t)["everything"])
	if diff := cmp.Diff(want, same); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}
