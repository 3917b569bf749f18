package validate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// TestRestarts: a change of the configuration restarts the pod only when the
// daemon reads what has changed at its start alone.
func TestRestarts(t *testing.T) {
	t.Parallel()
	file := variants(t)["everything"]
	pod := func(args ...string) (corev1.PodTemplateSpec, string) {
		all := render(t, file, args...)
		config := one[*corev1.ConfigMap](t, all, "release-sealer")
		return one[*appsv1.StatefulSet](t, all, "release-sealer").Spec.Template, config.Data["packseal.yaml"]
	}
	before, config := pod()
	for change, restarts := range map[string]bool{
		"config.packs[0].schedule=@hourly":           false,
		"config.sources.prod.cloudconfig.endpoint=x": false,
		"config.defaults.timeout=3h":                 false,
		"config.web.reload=false":                    true,
		"config.log.level=warn":                      false,
		"config.log.format=text":                     true,
	} {
		after, changed := pod("--set", change)
		if config == changed {
			t.Errorf("%s changes nothing", change)
		}
		if diff := cmp.Diff(before, after); (diff != "") != restarts {
			t.Errorf("%s: want a restart: %t\n%s", change, restarts, diff)
		}
	}
}

// TestRRSA: the pod's identity is as ACK makes it.
func TestRRSA(t *testing.T) {
	t.Parallel()
	all := render(t, variants(t)["rrsa"])
	account := one[*corev1.ServiceAccount](t, all, "release-packseal")
	if account.Annotations["pod-identity.alibabacloud.com/role-name"] != "packseal" {
		t.Errorf("annotations %v", account.Annotations)
	}
	pod := one[*appsv1.StatefulSet](t, all, "release-packseal").Spec.Template
	if pod.Labels["pod-identity.alibabacloud.com/injection"] != "on" || pod.Spec.ServiceAccountName != "release-packseal" {
		t.Errorf("labels %v, account %s", pod.Labels, pod.Spec.ServiceAccountName)
	}

	pod = one[*appsv1.StatefulSet](t, render(t, variants(t)["oidc"]), "evidence").Spec.Template
	want := []corev1.EnvVar{
		{Name: "ALIBABA_CLOUD_ROLE_ARN", Value: "acs:ram::100000000000000:role/packseal"},
		{Name: "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", Value: "acs:ram::100000000000000:oidc-provider/ack-rrsa-c0123456789"},
		{Name: "ALIBABA_CLOUD_OIDC_TOKEN_FILE", Value: "/var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token"},
	}
	if diff := cmp.Diff(want, pod.Spec.Containers[0].Env); diff != "" {
		t.Error(diff)
	}
	for _, v := range pod.Spec.Volumes {
		if v.Name != "rrsa-oidc-token" {
			continue
		}
		token := v.Projected.Sources[0].ServiceAccountToken
		if token.Audience != "sts.aliyuncs.com" || token.Path != "token" || *token.ExpirationSeconds != 7200 {
			t.Errorf("token %+v", token)
		}
		return
	}
	t.Error("no token")
}

// TestProbes: a page with a password cannot be asked from outside.
func TestProbes(t *testing.T) {
	t.Parallel()
	c := one[*appsv1.StatefulSet](t, render(t, variants(t)["everything"]), "release-sealer").Spec.Template.Spec.Containers[0]
	if c.StartupProbe.HTTPGet.Path != "/-/healthy" || c.LivenessProbe.HTTPGet.Path != "/-/healthy" || c.ReadinessProbe.HTTPGet.Path != "/-/ready" || c.Ports[0].ContainerPort != 8080 {
		t.Errorf("probes %v %v %v", c.StartupProbe, c.LivenessProbe, c.ReadinessProbe)
	}
	c = one[*appsv1.StatefulSet](t, render(t, variants(t)["tls"]), "release-packseal").Spec.Template.Spec.Containers[0]
	want := []string{"packseal", "health", "--insecure", "--url", "https://127.0.0.1:9797"}
	if c.StartupProbe != nil || c.LivenessProbe.InitialDelaySeconds != 5 || c.ReadinessProbe.HTTPGet != nil {
		t.Errorf("probes %v %v %v", c.StartupProbe, c.LivenessProbe, c.ReadinessProbe)
	}
	if diff := cmp.Diff(want, c.LivenessProbe.Exec.Command); diff != "" {
		t.Error(diff)
	}
}

// TestMonitoring: rules and dashboards are the files as they are, and the
// monitor selects the page's service alone.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	all := render(t, variants(t)["everything"])
	monitor := one[*monitoringv1.ServiceMonitor](t, all, "release-sealer")
	selector := labels.SelectorFromSet(monitor.Spec.Selector.MatchLabels)
	for name, want := range map[string]bool{"release-sealer": true, "release-sealer-headless": false} {
		if got := selector.Matches(labels.Set(one[*corev1.Service](t, all, name).Labels)); got != want {
			t.Errorf("the monitor selects %s: %t", name, got)
		}
	}
	var rules monitoringv1.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(read(t, "files/rules.yaml"), &rules); err != nil || len(rules.Groups) == 0 {
		t.Fatalf("%d groups: %v", len(rules.Groups), err)
	}
	if diff := cmp.Diff(rules, one[*monitoringv1.PrometheusRule](t, all, "release-sealer").Spec); diff != "" {
		t.Error(diff)
	}
	boards := one[*corev1.ConfigMap](t, all, "release-sealer-dashboards")
	for _, name := range []string{"evidence.json", "operations.json"} {
		var want, got any
		if err := json.Unmarshal(read(t, "files/dashboards/"+name), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(boards.Data["packseal-"+name]), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestNetworkPolicy: those that are named come in, and helm's test.
func TestNetworkPolicy(t *testing.T) {
	t.Parallel()
	all := render(t, variants(t)["everything"])
	p := one[*networkingv1.NetworkPolicy](t, all, "release-sealer")
	test := one[*corev1.Pod](t, all, "release-sealer-test")
	from := p.Spec.Ingress[0].From
	if len(from) != 2 || !labels.SelectorFromSet(from[1].PodSelector.MatchLabels).Matches(labels.Set(test.Labels)) {
		t.Errorf("from %+v", from)
	}
	if p = one[*networkingv1.NetworkPolicy](t, render(t, variants(t)["tls"]), "release-packseal"); len(p.Spec.Ingress[0].From) != 0 || len(p.Spec.Egress) != 2 {
		t.Errorf("policy %+v", p.Spec)
	}
}

// TestCluster: replicas find one another by the headless service, on a port
// that is open to them alone, and start together.
func TestCluster(t *testing.T) {
	t.Parallel()
	all := render(t, variants(t)["cluster"])
	set := one[*appsv1.StatefulSet](t, all, "release-packseal")
	if *set.Spec.Replicas != 3 || set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
		t.Errorf("%d replicas start by %s", *set.Spec.Replicas, set.Spec.PodManagementPolicy)
	}
	headless := one[*corev1.Service](t, all, set.Spec.ServiceName)
	if p := headless.Spec.Ports; len(p) != 2 || p[1].Port != 6222 || !headless.Spec.PublishNotReadyAddresses {
		t.Errorf("%s has ports %+v, and tells of pods that are not ready: %t", headless.Name, p, headless.Spec.PublishNotReadyAddresses)
	}
	config := one[*corev1.ConfigMap](t, all, "release-packseal").Data["packseal.yaml"]
	for _, want := range []string{"size: 3", "dns: release-packseal-headless:6222", "token_file: /run/secrets/packseal-cluster/token"} {
		if !strings.Contains(config, want) {
			t.Errorf("the configuration lacks %q:\n%s", want, config)
		}
	}
	policy := one[*networkingv1.NetworkPolicy](t, all, "release-packseal").Spec
	pod := labels.Set(set.Spec.Template.Labels)
	in, out := policy.Ingress[len(policy.Ingress)-1], policy.Egress[len(policy.Egress)-1]
	for _, peers := range [][]networkingv1.NetworkPolicyPeer{in.From, out.To} {
		if len(peers) != 1 || !labels.SelectorFromSet(peers[0].PodSelector.MatchLabels).Matches(pod) {
			t.Errorf("peers are %+v", peers)
		}
	}
	if in.Ports[0].Port.StrVal != "cluster" || out.Ports[0].Port.IntVal != 6222 {
		t.Errorf("ports are %+v and %+v", in.Ports, out.Ports)
	}
}

// TestSpread: a constraint means this release's pods, unless it says which.
func TestSpread(t *testing.T) {
	t.Parallel()
	set := one[*appsv1.StatefulSet](t, render(t, variants(t)["everything"]), "release-sealer")
	spread := set.Spec.Template.Spec.TopologySpreadConstraints
	own := map[string]string{"app.kubernetes.io/instance": "release", "app.kubernetes.io/name": "sealer"}
	if diff := cmp.Diff(own, spread[0].LabelSelector.MatchLabels); diff != "" || spread[0].TopologyKey != "topology.kubernetes.io/zone" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"example.com/tier": "evidence"}, spread[1].LabelSelector.MatchLabels); diff != "" {
		t.Error(diff)
	}
}

// TestNotes: what helm says after an installation.
func TestNotes(t *testing.T) {
	t.Parallel()
	values := filepath.Join(t.TempDir(), "notes.yaml")
	write(t, values, `extraManifests:
  - |
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: notes}
    data:
      notes: |
        {{- include (print $.Template.BasePath "/NOTES.txt") . | nindent 4 }}
`)
	for name, want := range map[string][]string{
		"minimal":    {"packseal:0.1.0 keeps the reports of 1 pack.", "port-forward service/release-packseal 9797:9797", "helm test release --namespace audit"},
		"everything": {"https://packseal.example.com/", "WARNING: the page has no password"},
		"oidc":       {"the packs in ConfigMap packseal-config", `web: {listen: ":9797", allow_open: true}`, "evidence-0"},
		"rest":       {"WARNING: no pod runs", "WARNING: the sink archive is a folder of the pod"},
		"rrsa":       {"2 packs."},
		"tls":        {"https://127.0.0.1:9797/"},
	} {
		notes := one[*corev1.ConfigMap](t, render(t, variants(t)[name], "--values", values), "notes").Data["notes"]
		for _, w := range want {
			if !strings.Contains(notes, w) {
				t.Errorf("%s: no %q in\n%s", name, w, notes)
			}
		}
		if (name == "minimal" || name == "rrsa") && strings.Contains(notes, "WARNING") {
			t.Errorf("%s: a warning in\n%s", name, notes)
		}
	}
}

// read reads a file of the chart.
func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(chart, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestUnquotedWords: what Helm reads as true and false is a word again.
func TestUnquotedWords(t *testing.T) {
	t.Parallel()
	all := render(t, variants(t)["everything"])
	var config struct {
		Notify []map[string]any
		Sinks  []struct{ S3, OSS map[string]any }
	}
	if err := yaml.Unmarshal([]byte(one[*corev1.ConfigMap](t, all, "release-sealer").Data["packseal.yaml"]), &config); err != nil {
		t.Fatal(err)
	}
	if on := config.Notify[0]["on"]; !cmp.Equal(on, []any{"gap", "overdue"}) || config.Sinks[1].S3["conditional_writes"] != "off" || config.Sinks[2].OSS["overwrite"] != "off" {
		t.Errorf("%v %v", config.Notify, config.Sinks)
	}
}

// TestVerify: the archive is verified each week, unless the values say otherwise.
func TestVerify(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{"replicas=1": "0 4 * * SUN", "config.verify.schedule=@daily": "@daily", "config.verify.time_zone=UTC": ""} {
		var config struct{ Verify struct{ Schedule string } }
		all := render(t, variants(t)["rrsa"], "--set", set)
		if err := yaml.Unmarshal([]byte(one[*corev1.ConfigMap](t, all, "release-packseal").Data["packseal.yaml"]), &config); err != nil {
			t.Fatal(err)
		}
		if config.Verify.Schedule != want {
			t.Errorf("%s: verified at %q", set, config.Verify.Schedule)
		}
	}
}

// TestServices: they say which protocols they speak, to a mesh, and in which
// families of addresses.
func TestServices(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"release-packseal", "release-packseal-headless"} {
		s := one[*corev1.Service](t, render(t, variants(t)["cluster"], "--set", "service.ipFamilyPolicy=RequireDualStack,service.ipFamilies={IPv6,IPv4}"), name)
		if *s.Spec.IPFamilyPolicy != corev1.IPFamilyPolicyRequireDualStack || !cmp.Equal(s.Spec.IPFamilies, []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol}) {
			t.Errorf("%s: %v %v", name, s.Spec.IPFamilyPolicy, s.Spec.IPFamilies)
		}
		for _, p := range s.Spec.Ports {
			if want := map[string]string{"http": "http", "cluster": "tcp"}[p.Name]; p.AppProtocol == nil || *p.AppProtocol != want {
				t.Errorf("%s: port %s speaks %v", name, p.Name, p.AppProtocol)
			}
		}
		s = one[*corev1.Service](t, render(t, variants(t)["tls"]), name)
		if s.Spec.IPFamilyPolicy != nil || *s.Spec.Ports[0].AppProtocol != "https" {
			t.Errorf("%s: %v %s", name, s.Spec.IPFamilyPolicy, *s.Spec.Ports[0].AppProtocol)
		}
	}
}

// TestOwnVolumes: configuration and data can be on volumes that exist.
func TestOwnVolumes(t *testing.T) {
	t.Parallel()
	values := filepath.Join(t.TempDir(), "values.yaml")
	write(t, values, "configVolume: {persistentVolumeClaim: {claimName: packseal-config, readOnly: true}}\npersistence: {existingClaim: moved}\n")
	all := render(t, values)
	set := one[*appsv1.StatefulSet](t, all, "release-packseal")
	mounted(t, set.Spec.Template.Spec, set.Spec.VolumeClaimTemplates)
	claims := map[string]string{}
	for _, v := range set.Spec.Template.Spec.Volumes {
		claims[v.Name] = v.PersistentVolumeClaim.ClaimName
	}
	if diff := cmp.Diff(map[string]string{"config": "packseal-config", "data": "moved"}, claims); diff != "" || all.kinds()["ConfigMap"] != 0 {
		t.Errorf("%s %v", diff, all.kinds())
	}
}

// TestLargeConfiguration: one that no ConfigMap holds is refused with what to do.
func TestLargeConfiguration(t *testing.T) {
	t.Parallel()
	var packs strings.Builder
	packs.WriteString("config:\n  packs:\n")
	for i := range 40_000 {
		fmt.Fprintf(&packs, "  - {id: cp-%020x}\n", i)
	}
	values := filepath.Join(t.TempDir(), "values.yaml")
	write(t, values, packs.String())
	_, err := helm(t, "template", "release", chart, "--values", variants(t)["minimal"], "--values", values)
	if err == nil || !strings.Contains(err.Error(), "config: over 800 kB") || !strings.Contains(err.Error(), "configVolume") {
		t.Errorf("got %.300v", err)
	}
}
