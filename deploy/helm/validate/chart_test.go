// Package validate holds the chart to the Kubernetes API. It has tests alone.
package validate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const chart = "../packseal"

// helm runs helm and returns what it prints.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("helm")
	if err != nil {
		if os.Getenv("PACKSEAL_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("helm is not installed")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), errors.New(errs.String())
	}
	return out.String(), nil
}

// variants are the files of values that the chart is rendered with.
func variants(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart, "ci", "*-values.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no values: %v", err)
	}
	named := make(map[string]string)
	for _, f := range files {
		named[strings.TrimSuffix(filepath.Base(f), "-values.yaml")] = f
	}
	return named
}

// objects are the manifests of a release, as the API has them.
type objects []runtime.Object

// render renders a variant, strictly decoded.
func render(t *testing.T, values string, args ...string) objects {
	t.Helper()
	return renderAs(t, "release", values, args...)
}

// renderAs renders it as a release of that name.
func renderAs(t *testing.T, release, values string, args ...string) objects {
	t.Helper()
	out, err := helm(t, append([]string{"template", release, chart, "--namespace", "audit", "--values", values}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, out)
}

// decode decodes manifests as the API server would, and refuses fields that it
// does not know and fields that are there twice.
func decode(t *testing.T, manifests string) (all objects) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, monitoringv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	docs := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifests)))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if j, err := yaml.ToJSON(doc); err == nil && string(j) == "null" {
			continue // comments alone
		}
		object, _, err := decoder.Decode(doc, nil, nil)
		if err != nil {
			t.Errorf("%v in\n%s", err, doc)
			continue
		}
		all = append(all, object)
	}
}

// one returns the only object of its type with a name.
func one[T metav1.Object](t *testing.T, all objects, name string) T {
	t.Helper()
	var found T
	n := 0
	for _, o := range all {
		if o, ok := o.(T); ok && o.GetName() == name {
			found = o
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%d %T named %s", n, found, name)
	}
	return found
}

// kinds counts the objects by their kind.
func (all objects) kinds() map[string]int {
	n := make(map[string]int)
	for _, o := range all {
		n[o.GetObjectKind().GroupVersionKind().Kind]++
	}
	return n
}
