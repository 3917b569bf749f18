package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/sink"
)

// bad are files that must be refused; what is said about each stands in
// testdata/bad/<name>.txt. Where text begins with "+", it follows the minimal
// configuration.
var bad = map[string]string{
	"empty":              "",
	"comments-only":      "# nothing\n",
	"null":               "null\n",
	"two-documents":      minimal + "---\n" + minimal,
	"syntax-tab":         "sources:\n\tprod: {}\n",
	"syntax-colon":       "packs:\n  - id: a: b\n",
	"syntax-bracket":     "packs: [{id: cp-1}\nsinks: []\n",
	"syntax-second":      minimal + "---\n[\n",
	"unknown-anchor":     "packs: *nothing\n",
	"not-utf8":           "packs:\n- id: \"\xff\"\n",
	"top-list":           "- packs\n",
	"top-scalar":         "packseal\n",
	"nothing-needed":     "log: {level: info}\n",
	"nulls":              "sources:\npacks:\nsinks:\n",
	"unknown-key":        "+pakcs: []\nstatedir: x\nfrobnicate: 1\n\"a b\\n\": 2\n",
	"duplicate-key":      "+log: {level: info}\nlog: {level: warn}\n",
	"key-not-text":       "+[a, b]: c\n",
	"merge-key":          "+log: {<<: {level: info}}\n",
	"wrong-types":        "+state_dir: [a]\nweb: {listen: 9797, reload: yes}\nqueue: {embedded: {max_bytes: 1.5}}\nfetch: {poll_min: 5, poll_max: 5 minutes, stale_after: -5m, max_bytes: -1}\nlog: text\ndefaults: []\n",
	"out-of-range":       "+fetch: {max_bytes: 99999999999999999999, stall_after: 9999999h}\nqueue: {embedded: {max_bytes: 9223372036854775808}}\n",
	"pack-types":         "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1', requests_per_second: .nan, max_in_flight: many}}}\npacks:\n  - cp-1\n  - {id: 5}\n  - {id: cp-2, since: soon, jitter: \"0\"}\n  - {id: ~}\nsinks: [{name: a, local: dir}]\n",
	"lists-as-mappings":  "sources: []\npacks: {}\nsinks: {}\n",
	"inline-secrets":     "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1', credentials: {access_key_secret: MARKED, password: MARKED}, access_key_secret: MARKED}}}\npacks: [{id: cp-1}]\nsinks: [{name: a, s3: {region: r, bucket: b, secret_access_key: MARKED, access_key_id_file: 12345}}]\n",
	"two-backends":       "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\npacks: [{id: cp-1}]\nsinks:\n  - name: a\n    local: {dir: d}\n    s3: {region: r, bucket: b}\n",
	"no-backend":         "sources: {prod: {}, empty: ~}\npacks: [{id: cp-1, source: prod}]\nsinks: [{name: a}, {name: b, s3: ~}, {name: c, s4: {}}]\n",
	"duplicate-pack":     "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\npacks:\n  - id: cp-1\n  - {id: cp-1, aggregator: ca-1}\n  - {id: cp-1, source: prod}\n  - {id: cp-1, aggregator: ca-1, schedule: '@daily'}\nsinks: [{name: a, local: {dir: d}}]\n",
	"duplicate-sink":     "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\npacks: [{id: cp-1}]\nsinks: [{name: a, local: {dir: d}}, {name: a, local: {dir: e}}]\n",
	"names":              "sources: {a/b: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\npacks: [{id: ../etc, aggregator: 'ca 1'}, {name: no id}]\nsinks: [{name: .., local: {dir: d}}, {local: {dir: e}}]\n",
	"reserved":           "sources: {packseal-doctor: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}, prod.100000000000000: {cloudconfig: {endpoint: 'http://127.0.0.1:2'}}}\ndefaults: {source: packseal-doctor}\npacks: [{id: cp-1}]\nsinks: [{name: packseal-1.5, local: {dir: d}}]\n",
	"kinds":              "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\npacks:\n  - {id: rules}\n  - {id: crt-1, aggregator: ca-1}\n  - {id: inventory}\n  - {kind: rule}\n  - {kind: rules, id: cp-1}\n  - {kind: template}\n  - {kind: template, id: cp-1}\n  - {kind: template, id: crt-1, aggregator: ca-1}\n  - {kind: inventory}\n  - {kind: inventory, id: inventory}\n  - {kind: rules, aggregator: 'ca 1'}\nsinks: [{name: a, local: {dir: d}}]\n",
	"evaluate":           "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1', calls_per_minute: {GetCompliancePackReport: 0, Generate: 5}}}}\npacks:\n  - {id: cp-1, evaluate: 61m}\n  - {id: cp-2, evaluate: 60m}\n  - {id: cp-3, evaluate: 5m, timeout: 9m}\n  - {kind: rules, evaluate: 5m}\n  - {id: cp-4, evaluate: -5m}\nsinks: [{name: a, local: {dir: d}}]\n",
	"labels":             "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\npacks:\n  - {id: cp-1, labels: {owner: ~, a b: c, n: 5, long: " + strings.Repeat("x", 257) + ", control: \"a\\nb\", cost-center: a, cost_center: b}}\n  - {id: cp-2, labels: {" + many(17) + "}}\n  - {id: cp-3, name: " + strings.Repeat("x", 257) + ", labels: [owner]}\nsinks: [{name: a, local: {dir: d}}]\n",
	"unknown-source":     "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}, test: {cloudconfig: {endpoint: 'http://127.0.0.1:2'}}}\ndefaults: {source: elsewhere}\npacks: [{id: cp-1, source: prdo}]\nsinks: [{name: a, local: {dir: d}}]\n",
	"which-source":       "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}, test: {cloudconfig: {endpoint: 'http://127.0.0.1:2'}}}\npacks: [{id: cp-1}]\nsinks: [{name: a, local: {dir: d}}]\n",
	"schedules":          "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\ndefaults: {schedule: nonsense, time_zone: Asia/Shanghia}\npacks:\n  - {id: cp-1, schedule: 'TZ=UTC'}\n  - {id: cp-2, schedule: '0 0 31 2 *'}\n  - {id: cp-3, schedule: '@every 0s'}\n  - {id: cp-4, schedule: '61 * * * *', time_zone: Local}\n  - {id: cp-5, timeout: 0s}\nsinks: [{name: a, local: {dir: d}}]\n",
	"secret-files":       "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1', credentials: {access_key_id_file: /nowhere/id, access_key_secret_file: testdata/empty-secret, security_token_file: testdata/two-secrets}}}}\npacks: [{id: cp-1}]\nsinks: [{name: a, local: {dir: d}}]\n",
	"backend-faults":     "sources:\n  prod:\n    cloudconfig:\n      endpoint: http://config.example.com\n      link_hosts:\n        - '*.aliyuncs.com'\n        - a/b\n      credentials:\n        role_session_name: x\npacks: [{id: cp-1}]\nsinks: [{name: a, local: {dir: d}}]\n",
	"notices":            "+notify:\n  - {name: a, on: [gap, sunrise], language: fr, time_zone: Mars, digest: never, dingtalk: {url: 'https://MARKED', secret_file: 1}}\n  - {name: a, on: [gap], digest: '@daily', webhook: {url_file: /nowhere/url, template: '{{.Colour}}'}}\n  - {name: b, on: [gap], ping: {url_file: testdata/empty-secret, every: 1s, method: PUT}}\n  - {name: c}\n  - {wecom: {}, feishu: {}}\n",
	"discover":           "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}, discover: {aggregators: [ca-1, all, cp-1, ca/2], refresh: hourly, rules: [{match: {name: '[', risk: [severe], tags: {'a b': '[x'}}}, {keep: false, labels: {a: b}}, {labels: {a: ''}, schedule: never, jitter: 30h, timeout: 0s}, {mtach: {}}]}}}\nsinks: [{name: a, local: {dir: d}}]\n",
	"routes":             "+notify:\n  - {name: a, match: {sources: [prd], packs: [cp-9], labels: {system: pay}}, mail: {server: smtp.example.com, tls: none, from: me, to: [you], username: me}}\n  - {name: b, match: {sources: [prod]}, ping: {url_file: /nowhere/url}}\n  - {name: c, telegram: {token: MARKED, endpoint: 'http://example.com'}}\n  - {name: d, pagerduty: {}}\nweb: {external_url: packseal.example.com}\n",
	"variables":          "+state_dir: ${STATE_DIRECTORY}\ndefaults: {schedule: $CRON, timeout: '${TIMEOUT:-2h}', time_zone: \"$(TZ)\"}\nnotify:\n  - {name: a, on: [gap], webhook: {url_file: $MARKED, secret_file: $OTHER/x, template: '{{$x := .Text}}{{json $x}}'}}\n",
	"numbers":            "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1', requests_per_second: 1e1, max_in_flight: 010}}}\npacks: [{id: cp-1, timeout: 1_0m}]\nsinks:\n  - name: a\n    s3: {region: r, bucket: b, part_size: 0x1000000, multipart_threshold: 1_000_000, object_lock: {mode: COMPLIANCE, days: 0365}}\nqueue: {embedded: {max_bytes: 0o400}}\n",
	"jitter":             "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\ndefaults: {jitter: 25h}\npacks:\n  - {id: cp-1}\n  - {id: cp-2, schedule: '@every 15m', jitter: 15m}\n  - {id: cp-3, schedule: '0 0 1 * *', jitter: 672h}\n  - {id: cp-4, schedule: '0 0,3 * * *', jitter: 3h1s}\n  - {id: cp-5, schedule: nonsense}\n  - {id: cp-6, schedule: '0 * * * *'}\nsinks: [{name: a, s3: {region: r, bucket: b, endpoint: 'https://b.store.example'}}]\n",
	"oss":                "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\npacks: [{id: cp-1}]\nsinks:\n  - name: a\n    oss: {region: oss-cn-shanghai, bucket: Evidence, endpoint: 'https://s3.oss-cn-shanghai.aliyuncs.com', internal: true, access_key_id_file: id}\n  - {name: b, oss: {region: cn-shanghai, bucket: b-1, overwrite: no, object_lock: {days: 0}, bucket_worm: {days: 30000}, sse: {type: 'aws:kms'}, credentials: {ecs_role: r, profile: p}}}\n  - {name: c, oss: {region: cn-shanghai, bucket: evidence, endpoint: 'https://oss-cn-hangzhou.aliyuncs.com', object_lock: {days: 1}}}\n",
	"sinks":              "sources: {prod: {sinks: [mirror], cloudconfig: {endpoint: 'http://127.0.0.1:1'}, discover: {rules: [{match: {name: x}, keep: false, sinks: [primary]}, {sinks: [primary, mirrr]}]}}}\ndefaults: {sinks: []}\npacks:\n  - {id: cp-1, sinks: [primary, mirror, mirror]}\n  - {id: cp-2, sinks: [s3]}\nsinks: [{name: primary, local: {dir: d}}, {name: mirror, local: {dir: e}}]\n",
	"until":              "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\npacks:\n  - {id: cp-1, since: 2026-01-01, until: 2025-12-31}\n  - {id: cp-2, since: 2026-01-01, until: 2026-01-01}\n  - {id: cp-3, until: 2026-13-01}\n  - {id: cp-4, enabled: maybe}\nsinks: [{name: a, local: {dir: d}}]\n",
	"quoted":             "+web: {reload: \"true\"}\nfetch: {max_bytes: \"5\"}\nverify: {schedule: '@weekly', time_zone: \"\"}\nqueue: {embedded: {max_bytes: 1, cluster: {size: '3'}}}\n",
	"not-lists":          "sources: {prod: {sinks: a, cloudconfig: {endpoint: 'http://127.0.0.1:1', link_hosts: '*.example.com'}, discover: {aggregators: all, rules: {}}}}\npacks: [{id: cp-1, sinks: a}]\nsinks: [{name: a, local: {dir: d}}]\nnotify: [{name: n, on: gap, mail: {server: s, from: f@example.com, to: t@example.com}}]\n",
	"empty-texts":        "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}, accounts: {role: r, rules: [{match: {name: '', id: '', folder: ''}}]}, discover: {rules: [{match: {name: '', template: '', status: '', aggregator: '', account: '', tags: {env: ''}}}]}}}\npacks: []\nsinks: [{name: a, local: {dir: d}}]\n",
	"keep-nothing":       "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}, discover: {rules: [{match: {name: x}, keep: false, schedule: '@daily', jitter: 0s}, {keep: false, evaluate: 5m}]}}}\npacks: [{id: cp-1}]\nsinks: [{name: a, local: {dir: d}}]\n",
	"sts-endpoint":       "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1', credentials: {sts_endpoint: 'https://sts.aliyuncs.com/'}}}}\npacks: [{id: cp-1}]\nsinks: [{name: a, local: {dir: d}}]\n",
	"words":              "+verify: {schedule: '@weekly'}\ndefaults: {timeout: 300y}\nlog: {level: debug}\nweb: {listen: ':0', allow_open: maybe}\n",
	"stores":             "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\npacks: [{id: cp-1}]\nsinks:\n  - {name: a, oss: {region: cn-shanghai, bucket: b-1, overwrite: allow, bucket_worm: {}, sse: {}}}\n  - {name: b, s3: {region: r, bucket: b-1, conditional_writes: 'no', object_lock: {}, sse: {}}}\n",
	"sizes":              "+fetch: {max_bytes: 64 M, stall_after: 1month}\nqueue: {embedded: {max_bytes: -1MiB}}\n",
	"no-packs-file":      "+packs_file: testdata/nowhere.yaml\n",
	"no-packs-file-name": "+packs_file: ''\n",
	"packs-folder":       "+packs_file: testdata\n",
	"packs-below":        "+packs_file: testdata/nowhere/**/*.yaml\n",
	"no-packs-match":     "+packs_file: testdata/nowhere/*.yaml\n",
	"packs-pattern":      "+packs_file: 'testdata/[*.yaml'\n",
	"ledger": "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\npacks: [{id: cp-1}]\nsinks: [{name: a, s3: {region: r, bucket: b-1, conditional_writes: off}}]\nledger:\n  origin: https://example.com/my log\n  key_file: /nowhere/key\n  interval: 2d\n  overlap: 1h\n" +
		"  succeeds: {checkpoint: example.com/before 1234 abc}\n" +
		"  stamps: [{name: a, url: 'http://a.example'}, {name: a, url: 'ftp://a.example', ca_file: /nowhere/ca}, {name: ../b, url: 'https://u:MARKED@a.example'}, {}]\n" +
		"  witnesses:\n    - {name: a, url: 'http://w.example', key: w.example+00000000+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}\n    - {name: b, url: w.example, key: w.example+a1b2c3d4+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}\n    - {name: b, url: 'http://127.0.0.1:1', key: PRIVATE+KEY+w+MARKED}\n    - {name: c, url: 'http://localhost:1', key: w.example+a1b2c3d4+AgAA}\n    - {name: d, url: 'https://w.example/x', key: w}\n",
	"ledger-empty": "+ledger: {}\n",
	"ledger-key":   "+ledger: {origin: example.com/log, key_file: testdata/two-secrets, key: MARKED, succeeds: {checkpoint: ledger example.com/log 5 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=, reason: x}, stamps: {}}\n",
	"rest":         "+state_dir: ''\nweb: {listen: localhost, config_file: /nowhere/web.yaml}\nfetch: {poll_min: 1m, poll_max: 1s}\nlog: {level: loud, format: xml}\n",
}

// many returns n labels.
func many(n int) string {
	var labels []string
	for i := range n {
		labels = append(labels, fmt.Sprintf("l%d: x", i))
	}
	return strings.Join(labels, ", ")
}

// text returns the content of a case.
func text(s string) string {
	if rest, ok := strings.CutPrefix(s, "+"); ok {
		return minimal + rest
	}
	return s
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	for name, content := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _, err := Parse("packseal.yaml", []byte(text(content)))
			if _, ok := errors.AsType[*Error](err); !ok || c != nil {
				t.Fatalf("got a configuration or a %T: %v", err, err)
			}
			got := err.Error() + "\n"
			if strings.Contains(got, "MARKED") {
				t.Errorf("a secret is shown:\n%s", got)
			}
			golden := filepath.Join("testdata", "bad", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Every golden file belongs to a case.
func TestNoGoldenFileIsLeftOver(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.txt")
	if err != nil || len(files) < len(bad) {
		t.Errorf("%d files for %d cases: %v", len(files), len(bad), err)
	}
	for _, f := range files {
		if _, ok := bad[strings.TrimSuffix(filepath.Base(f), ".txt")]; !ok {
			t.Errorf("%s belongs to no case", f)
		}
	}
}

func TestByteOrderMarkIsNoFault(t *testing.T) {
	t.Parallel()
	parse(t, "\ufeff"+minimal)
}

// Whatever the file holds, Parse returns a configuration or an *Error with at
// least one fault in it, and never both.
func FuzzParse(f *testing.F) {
	for _, content := range bad {
		f.Add([]byte(text(content)))
	}
	f.Add([]byte(minimal))
	f.Add(full())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, warnings, err := Parse("packseal.yaml", b)
		if err == nil {
			if c == nil || len(c.Entries()) == 0 && len(warnings) == 0 && !slices.ContainsFunc(c.sourceNames(), c.Discovers) {
				t.Error("neither an error nor an entry")
			}
			for _, e := range c.Entries() {
				// Storage keys and the spool's names are made of it.
				if key := e.Pack.Source + "/" + e.Pack.Key(); sink.CheckKey(key) != nil || strings.Count(key, "/") > 2 || strings.Contains(key, "@") {
					t.Errorf("%q is no plain name", key)
				}
			}
			for _, w := range warnings {
				if !w.Warning {
					t.Errorf("no warning: %+v", w)
				}
			}
			return
		}
		e, ok := errors.AsType[*Error](err)
		if !ok || c != nil || warnings != nil || len(e.Faults) == 0 || !strings.Contains(e.Error(), " fault") {
			t.Errorf("got %v, %v, %T: %v", c, warnings, err, err)
		}
		for _, fault := range e.Faults {
			if fault.Message == "" || strings.ContainsAny(fault.Path, "\n\r") {
				t.Errorf("a fault that says nothing: %+v", fault)
			}
		}
	})
}
