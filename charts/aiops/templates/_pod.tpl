{{/* What the pods of both components share. Given a list: the root and the component. */}}
{{- define "aiops.pod" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $own := index $root.Values $component -}}
serviceAccountName: {{ include "aiops.serviceAccount" . }}
# Kubernetes would announce our own Service as AIOPS_..., and unknown settings of that prefix are refused.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- with $root.Values.runAsUser }}
  runAsUser: {{ . | int }}
  runAsGroup: {{ . | int }}
  fsGroup: {{ . | int }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* How the replicas of a component lie apart. Given a list: the root and the component. */}}
{{- define "aiops.spread" -}}
{{- $own := index (first .).Values (index . 1) -}}
topologySpreadConstraints:
{{- if $own.topologySpreadConstraints }}
  {{- toYaml $own.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "aiops.selector" . | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}

{{/*
Labels and annotations of a component's pods. Given a list: the root and the component. No checksum of Secrets or
monitors: both programs read these files again when they change, and a restart would forget what they have learned.
*/}}
{{- define "aiops.podMetadata" -}}
{{- $root := first . -}}
{{- $own := index $root.Values (index . 1) -}}
labels:
  {{- include "aiops.selector" . | nindent 2 }}
  {{- with $root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with $own.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ index . 1 }}
  {{- with $own.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "aiops.image" -}}
{{- $image := (index (first .).Values (index . 1)).image -}}
image: {{ printf "%s:%s" $image.repository (default (first .).Chart.AppVersion $image.tag) | quote }}
imagePullPolicy: {{ $image.pullPolicy }}
{{- end }}

{{- define "aiops.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* Environment of a component. Given a list: the root and the component. */}}
{{- define "aiops.environment" -}}
{{- $root := first . -}}
{{- $own := index $root.Values (index . 1) -}}
{{- $set := dict
  "AIOPS_PROMETHEUS__URL" $root.Values.prometheus.url -}}
{{- if $root.Values.alertmanager.urls }}
{{- $_ := set $set "AIOPS_ALERTMANAGER__URLS" (join "," $root.Values.alertmanager.urls) }}
{{- else }}
{{- $_ := set $set "AIOPS_ALERTMANAGER__URL" $root.Values.alertmanager.url }}
{{- end }}
{{- if $root.Values.prometheus.ca.configMap }}
{{- $_ := set $set "AIOPS_PROMETHEUS__CA_FILE" (printf "/etc/aiops/prometheus/%s" $root.Values.prometheus.ca.key) }}
{{- end -}}
env:
{{- range $name, $value := merge (deepCopy $own.env) $set }}
  - name: {{ $name }}
    value: {{ $value | toString | quote }}
{{- end }}
{{- if eq (index . 1) "operator" }}
  - name: POD_NAME
    valueFrom:
      fieldRef: {fieldPath: metadata.name}
{{- end }}
{{- $secrets := compact (list $root.Values.prometheus.secretName (eq (index . 1) "server" | ternary $root.Values.registry.secretName "")) }}
{{- with $secrets }}
envFrom:
{{- range . }}
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "aiops.probes" -}}
# Long: a cold start compiles and reads history.
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* Volumes that both components have, and where they are mounted. Given the root. */}}
{{- define "aiops.volumes" -}}
- name: tmp
  emptyDir: {}
- name: token
  secret:
    secretName: {{ include "aiops.tokenSecret" . }}
    defaultMode: 0440
    items:
      - {key: {{ .Values.auth.token.key }}, path: token}
{{- if .Values.prometheus.ca.configMap }}
- name: prometheus-ca
  configMap:
    name: {{ .Values.prometheus.ca.configMap }}
{{- end }}
{{- end }}

{{- define "aiops.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: token, mountPath: /etc/aiops/token, readOnly: true}
{{- if .Values.prometheus.ca.configMap }}
- {name: prometheus-ca, mountPath: /etc/aiops/prometheus, readOnly: true}
{{- end }}
{{- end }}
