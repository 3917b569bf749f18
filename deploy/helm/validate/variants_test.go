package validate

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// names are what the variants call their resources.
var names = map[string]string{"everything": "release-sealer", "oidc": "evidence"}

// TestVariants holds every variant to the API, the restricted profile, and to
// what must always be true.
func TestVariants(t *testing.T) {
	t.Parallel()
	for name, file := range variants(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resource := names[name]
			if resource == "" {
				resource = "release-packseal"
			}
			if _, err := helm(t, "lint", "--strict", chart, "--values", file); err != nil {
				t.Error(err)
			}
			all := render(t, file)
			kinds := all.kinds()
			if kinds["StatefulSet"] != 1 || kinds["Service"] != 2 || kinds["Pod"] != 1 {
				t.Errorf("there are %v", kinds)
			}
			set := one[*appsv1.StatefulSet](t, all, resource)
			restricted(t, &set.Spec.Template.ObjectMeta, &set.Spec.Template.Spec)
			test := one[*corev1.Pod](t, all, resource+"-test")
			restricted(t, &test.ObjectMeta, &test.Spec)
			labelled(t, all)
			selected(t, all, set)
			served(t, all)
			mounted(t, set.Spec.Template.Spec, set.Spec.VolumeClaimTemplates)
			packs := make(map[string]string)
			for _, o := range all {
				if c, ok := o.(*corev1.ConfigMap); ok && c.Name == resource+"-packs" {
					packs = c.Data
				}
			}
			for _, o := range all {
				if c, ok := o.(*corev1.ConfigMap); ok && c.Data["packseal.yaml"] != "" {
					checked(t, c.Data["packseal.yaml"], packs)
				}
			}
		})
	}
}

// restricted holds a pod to the restricted profile of Pod Security.
func restricted(t *testing.T, meta *metav1.ObjectMeta, spec *corev1.PodSpec) {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, meta, spec))
	if !result.Allowed {
		t.Errorf("not restricted: %s", result.ForbiddenDetail())
	}
	for _, c := range spec.Containers {
		if c.SecurityContext == nil || c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
			t.Errorf("the root of %s can be written to", c.Name)
		}
	}
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
		t.Error("the pod gets a token of Kubernetes, which it has no use for")
	}
}

// labelled holds all resources to the labels that Kubernetes recommends, but
// for those that the user wrote.
func labelled(t *testing.T, all objects) {
	t.Helper()
	for _, o := range all {
		m := o.(metav1.Object)
		if strings.HasSuffix(m.GetName(), "-more") || strings.HasSuffix(m.GetName(), "-text") {
			continue
		}
		for _, l := range []string{"name", "instance", "version", "managed-by"} {
			if m.GetLabels()["app.kubernetes.io/"+l] == "" {
				t.Errorf("%T %s has no label %s", o, m.GetName(), l)
			}
		}
	}
}

// selected holds that the services lead to the daemon, and to nothing else.
func selected(t *testing.T, all objects, set *appsv1.StatefulSet) {
	t.Helper()
	pod := labels.Set(set.Spec.Template.Labels)
	if !labels.SelectorFromSet(set.Spec.Selector.MatchLabels).Matches(pod) {
		t.Error("the set does not select its own pods")
	}
	test := one[*corev1.Pod](t, all, set.Name+"-test")
	for _, name := range []string{set.Name, set.Name + "-headless"} {
		s := one[*corev1.Service](t, all, name)
		selector := labels.SelectorFromSet(s.Spec.Selector)
		if !selector.Matches(pod) || selector.Matches(labels.Set(test.Labels)) {
			t.Errorf("service %s selects %v", name, s.Spec.Selector)
		}
		if s.Spec.Ports[0].TargetPort.StrVal != set.Spec.Template.Spec.Containers[0].Ports[0].Name {
			t.Errorf("service %s leads to port %v", name, s.Spec.Ports[0])
		}
	}
	if headless := one[*corev1.Service](t, all, set.Spec.ServiceName); headless.Spec.ClusterIP != corev1.ClusterIPNone {
		t.Errorf("%s is not headless", headless.Name)
	}
}

// mounted holds that every mount has its volume, and none is in another: a
// folder cannot be made in one that is read-only.
func mounted(t *testing.T, spec corev1.PodSpec, claims []corev1.PersistentVolumeClaim) {
	t.Helper()
	there := make(map[string]int)
	for _, v := range spec.Volumes {
		there[v.Name]++
	}
	for _, c := range claims {
		there[c.Name]++
	}
	mounts := spec.Containers[0].VolumeMounts
	for _, m := range mounts {
		if there[m.Name] != 1 || m.SubPath != "" {
			t.Errorf("%+v has %d volumes", m, there[m.Name])
		}
		for _, other := range mounts {
			if strings.HasPrefix(m.MountPath, other.MountPath+"/") {
				t.Errorf("%s is mounted in %s", m.MountPath, other.MountPath)
			}
		}
	}
	if len(there) != len(mounts) {
		t.Errorf("%d volumes, %d mounts", len(there), len(mounts))
	}
}

// packseal builds the program, once.
var packseal = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "packseal-validate-")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", dir, "./cmd/packseal")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(dir, "packseal"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := packseal(); err == nil {
		os.RemoveAll(filepath.Dir(path)) //nolint:errcheck // it is under the system's folder for such things
	}
	os.Exit(code)
}

// secretFiles are the keys of a configuration that name mounted files.
var secretFiles = regexp.MustCompile(`(_file: )(/run/secrets/packseal(?:-cluster|-ledger)?/\S+)`)

// checked holds that packseal takes the configuration, with files where the
// pod has its Secrets.
func checked(t *testing.T, config string, packs map[string]string) {
	t.Helper()
	program, err := packseal()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, m := range secretFiles.FindAllStringSubmatch(config, -1) {
		write(t, filepath.Join(dir, m[2]), "https://example.com/secret")
	}
	for name, content := range packs {
		write(t, filepath.Join(dir, "packs", name), content)
	}
	config = strings.ReplaceAll(config, "/etc/packseal-packs/", filepath.Join(dir, "packs")+"/")
	path := filepath.Join(dir, "packseal.yaml")
	write(t, path, secretFiles.ReplaceAllString(config, "${1}"+dir+"${2}"))
	if key := "/run/secrets/packseal-ledger/key"; strings.Contains(config, key) {
		if err := os.Remove(filepath.Join(dir, key)); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), program, "ledger", "init", "--config", path).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	out, err := exec.CommandContext(t.Context(), program, "check", "--config", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), "warning") {
		t.Errorf("packseal check: %v\n%s%s", err, out, config)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestParts holds which parts the variants have.
func TestParts(t *testing.T) {
	t.Parallel()
	all := render(t, variants(t)["everything"])
	want := map[string]int{
		"ConfigMap": 5, "Ingress": 1, "NetworkPolicy": 1, "Pod": 1, "PodDisruptionBudget": 1, "PrometheusRule": 1,
		"Service": 2, "ServiceAccount": 1, "ServiceMonitor": 1, "StatefulSet": 1,
	}
	if diff := cmp.Diff(want, all.kinds()); diff != "" {
		t.Error(diff)
	}
	want = map[string]int{"Pod": 1, "Service": 2, "StatefulSet": 1}
	if diff := cmp.Diff(want, render(t, variants(t)["oidc"]).kinds()); diff != "" {
		t.Error(diff)
	}
}

// TestNamesOfOtherTypes: names that YAML takes for a boolean or a number are text.
func TestNamesOfOtherTypes(t *testing.T) {
	t.Parallel()
	everything, cluster := variants(t)["everything"], variants(t)["cluster"]
	for release, want := range map[string]string{"y": "y-sealer", "true": "true-sealer", "123": "sealer-123", "1e3": "sealer-1e3", "0x1f": "sealer-0x1f", "a.b": "a-b-sealer"} {
		all := renderAs(t, release, everything, "--set-string", "priorityClassName="+release+",ingress.className="+release+",persistence.existingClaim="+release)
		served(t, all)
		set := one[*appsv1.StatefulSet](t, all, want)
		if got := set.Spec.Template.Labels["app.kubernetes.io/instance"]; got != release {
			t.Errorf("release %s has the label %q", release, got)
		}
		renderAs(t, release, cluster, "--set-string", "cluster.tokenSecret="+release+",cluster.tokenKey="+release)
	}
	for _, name := range []string{"y", "true", "e3"} {
		one[*appsv1.StatefulSet](t, renderAs(t, "release", everything, "--set-string", "fullnameOverride="+name+",nameOverride="+name), name)
	}
}

// served holds that every version of Kubernetes takes the services' names: before
// 1.36 they must begin with a letter.
func served(t *testing.T, all objects) {
	t.Helper()
	for _, o := range all {
		if s, ok := o.(*corev1.Service); ok {
			for _, problem := range validation.IsDNS1035Label(s.Name) {
				t.Errorf("service %s: %s", s.Name, problem)
			}
		}
	}
}

// TestLongNames: the longest name that Helm takes for a release leaves names
// that Kubernetes takes.
func TestLongNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long-", 11)
	for _, o := range render(t, variants(t)["everything"], "--set", "fullnameOverride="+long, "--set", "nameOverride="+long) {
		name, most := o.(metav1.Object).GetName(), 63
		if _, ok := o.(*appsv1.StatefulSet); ok {
			most = 52 // its pods carry a label of the name and a revision
		}
		if len(name) > most || strings.HasSuffix(name, "-") {
			t.Errorf("%T %s: %d characters, %d at most", o, name, len(name), most)
		}
	}
}
