{{- /* Names are cut at 52: a StatefulSet adds a revision of 11 to its pods' labels. */}}
{{- define "packseal.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- /* Without dots, and beginning with a letter: Kubernetes before 1.36 accepts no other name for a service. */}}
{{- define "packseal.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $release := .Release.Name | replace "." "-" }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if regexMatch "^[0-9]" $release }}
{{- printf "%s-%s" $name $release | trunc 52 | trimSuffix "-" }}
{{- else if contains $name $release }}
{{- $release | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" $release $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "packseal.selector" -}}
app.kubernetes.io/name: {{ include "packseal.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "packseal.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "packseal.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "packseal.serviceAccountName" -}}
{{- default (ternary (include "packseal.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "packseal.image" -}}
{{- with .Values.image }}
{{- .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- /* The configuration, with what the chart itself decides. */}}
{{- define "packseal.packs" -}}
{{- if or .Values.packsFiles .Values.existingPacksConfigMap }}{{ default (printf "%s-packs" (include "packseal.fullname" .)) .Values.existingPacksConfigMap }}{{ end }}
{{- end }}

{{- define "packseal.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config "state_dir" "/var/lib/packseal" }}
{{- $_ := set $config "web" (merge (dict "listen" (printf ":%v" .Values.web.port) "allow_open" true) ($config.web | default dict)) }}
{{- if include "packseal.packs" . }}
{{- $_ := set $config "packs_file" "/etc/packseal-packs/*.yaml" }}
{{- end }}
{{- if not (hasKey $config "verify") }}
{{- $_ := set $config "verify" (dict "schedule" "0 4 * * SUN") }}
{{- end }}
{{- /* Helm reads on as true and off as false. */}}
{{- range $config.notify }}
{{- if hasKey . "true" }}
{{- $_ := set . "on" (get . "true") }}
{{- $_ := unset . "true" }}
{{- end }}
{{- end }}
{{- range $config.sinks }}
{{- if and .s3 (kindIs "bool" .s3.conditional_writes) }}
{{- $_ := set .s3 "conditional_writes" "off" }}
{{- end }}
{{- if and .oss (kindIs "bool" .oss.overwrite) }}
{{- $_ := set .oss "overwrite" "off" }}
{{- end }}
{{- end }}
{{- if include "packseal.clustered" . }}
{{- $cluster := dict "size" (int .Values.replicas) "listen" (printf ":%v" .Values.cluster.port) "dns" (printf "%s-headless:%v" (include "packseal.fullname" .) .Values.cluster.port) "token_file" "/run/secrets/packseal-cluster/token" }}
{{- $_ := set $config "queue" (merge (dict "embedded" (dict "cluster" $cluster)) ($config.queue | default dict)) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- /* Not empty where the replicas form the queue. */}}
{{- define "packseal.clustered" -}}
{{- if and (gt (int .Values.replicas) 1) .Values.cluster.tokenSecret }}yes{{ end }}
{{- end }}

{{- /* What a service says of IPv4 and IPv6, if anything. */}}
{{- define "packseal.ipFamilies" -}}
{{- $said := dict }}
{{- with .Values.service.ipFamilyPolicy }}{{ $_ := set $said "ipFamilyPolicy" . }}{{ end }}
{{- with .Values.service.ipFamilies }}{{ $_ := set $said "ipFamilies" . }}{{ end }}
{{- with $said }}{{ toYaml . }}{{ end }}
{{- end }}

{{- /* The other replicas, for a NetworkPolicy. */}}
{{- define "packseal.peers" -}}
- podSelector:
    matchLabels:
      {{- include "packseal.selector" . | nindent 6 }}
      app.kubernetes.io/component: daemon
{{- end }}

{{- /* What the schema cannot say, or not in plain words. */}}
{{- define "packseal.check" -}}
{{- with .Values }}
{{- if gt (int .replicas) 1 }}
{{- $nats := (.config.queue | default dict).nats }}
{{- if and $nats .cluster.tokenSecret }}
{{- fail "config.queue.nats and cluster.tokenSecret: two queues. Keep one of them." }}
{{- end }}
{{- if not (or $nats .existingConfigMap .cluster.tokenSecret) }}
{{- fail "replicas: more than 1 needs a queue in common, or each would have every report made. Set cluster.tokenSecret, or config.queue.nats." }}
{{- end }}
{{- if and .cluster.tokenSecret (not (has (int .replicas) (list 3 5 7))) }}
{{- fail "replicas: 3, 5 or 7 form a cluster: an even number outlives no more losses than the one below it." }}
{{- end }}
{{- range .config.sinks }}
{{- if and .local (hasPrefix "/var/lib/packseal/" .local.dir) }}
{{- fail (printf "config.sinks: %s is a folder of each replica's own, so that none would have the whole archive. Use a bucket, or a volume that all mount (extraVolumes)." .name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if ((.config.queue | default dict).embedded | default dict).cluster }}
{{- fail "config.queue.embedded.cluster: the chart sets it. Leave it out; replicas and cluster say what it is." }}
{{- end }}
{{- if gt (len (compact (list (empty .config | ternary "" "x") .existingConfigMap (empty .configVolume | ternary "" "x")))) 1 }}
{{- fail "config, existingConfigMap, configVolume: two configurations. Keep one of them." }}
{{- end }}
{{- /* Helm's record of the release has it twice, compressed, and holds 1 MiB as well. */}}
{{- if gt (len (include "packseal.config" $)) 800000 }}
{{- fail "config: over 800 kB, and a ConfigMap and Helm's record of the release hold 1 MiB each. Put packseal.yaml on a volume, and name that in configVolume." }}
{{- end }}
{{- if and .packsFiles .existingPacksConfigMap }}
{{- fail "packsFiles and existingPacksConfigMap: two sets of files. Keep one of them." }}
{{- end }}
{{- if and .config.packs_file (or .packsFiles .existingPacksConfigMap) }}
{{- fail "config.packs_file: the chart sets it. Leave it out, or packsFiles and existingPacksConfigMap." }}
{{- end }}
{{- if gt (len (toYaml .packsFiles)) 800000 }}
{{- fail "packsFiles: over 800 kB, and a ConfigMap and Helm's record of the release hold 1 MiB each. Make ConfigMaps of your own, and name one in existingPacksConfigMap." }}
{{- end }}
{{- if and .persistence.existingClaim (gt (int .replicas) 1) }}
{{- fail "persistence.existingClaim: one claim cannot be that of several replicas. Leave it out: each gets its own." }}
{{- end }}
{{- if .config.state_dir }}
{{- fail "config.state_dir: the chart sets it. Leave it out; persistence says what is behind it." }}
{{- end }}
{{- if (.config.web | default dict).listen }}
{{- fail "config.web.listen: the chart sets it. Leave it out; web.port is the port." }}
{{- end }}
{{- if and .ledger.keySecret .config (ne ((.config.ledger | default dict).key_file | default "") "/run/secrets/packseal-ledger/key") }}
{{- fail "ledger.keySecret: config.ledger.key_file must be /run/secrets/packseal-ledger/key, where the chart mounts it." }}
{{- end }}
{{- if and .config.ledger (not .persistence.enabled) }}
{{- fail "config.ledger: set persistence.enabled. What is owed to the ledger, and how far it was seen, must outlive the pod." }}
{{- end }}
{{- if and .rrsa.roleName .rrsa.roleARN }}
{{- fail "rrsa.roleName and rrsa.roleARN: the first is for ack-pod-identity-webhook, the second for clusters without it. Keep one of them." }}
{{- end }}
{{- if ne (empty .rrsa.roleARN) (empty .rrsa.oidcProviderARN) }}
{{- fail "rrsa.roleARN and rrsa.oidcProviderARN: one needs the other." }}
{{- end }}
{{- if and .rrsa.roleName (not .serviceAccount.create) }}
{{- fail "rrsa.roleName: annotates the service account that the chart makes. Set serviceAccount.create, or annotate your own and set podLabels instead." }}
{{- end }}
{{- if and .ingress.enabled (not .ingress.hosts) }}
{{- fail "ingress.hosts: at least one is needed." }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A probe: its numbers, and how to ask. Takes root, probe and path. */}}
{{- define "packseal.probe" -}}
{{- toYaml (omit .probe "enabled") }}
{{- with .root.Values.web }}
{{- if .password }}
exec:
  command: [packseal, health, --insecure, --url, {{ printf "%s://127.0.0.1:%v" (lower .scheme) .port | quote }}]
{{- else }}
httpGet:
  path: {{ $.path }}
  port: http
  scheme: {{ .scheme }}
{{- end }}
{{- end }}
{{- end }}
