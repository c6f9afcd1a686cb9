{{/* Name of the chart in labels. */}}
{{- define "aiops.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What the names of objects start with; 40 characters leave room for what follows. */}}
{{- define "aiops.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- $full | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "aiops.server" -}}
{{ include "aiops.fullname" . }}-server
{{- end }}

{{- define "aiops.operator" -}}
{{ include "aiops.fullname" . }}-operator
{{- end }}

{{/* Labels of every object. Given a list: the root, and the component if the object belongs to one. */}}
{{- define "aiops.labels" -}}
{{- $root := first . -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: {{ include "aiops.name" $root }}
{{ include "aiops.selector" . }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The part of the labels that never changes. */}}
{{- define "aiops.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ include "aiops.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- if gt (len .) 1 }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}
{{- end }}

{{/* Name of a component's ServiceAccount. Given a list: the root and the component. */}}
{{- define "aiops.serviceAccount" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- default (printf "%s-%s" (include "aiops.fullname" $root) $component) (index $root.Values $component).serviceAccount.name }}
{{- end }}

{{- define "aiops.tokenSecret" -}}
{{- default (printf "%s-token" (include "aiops.fullname" .)) .Values.auth.token.existingSecret }}
{{- end }}

{{- define "aiops.tlsSecret" -}}
{{- default (printf "%s-tls" (include "aiops.fullname" .)) .Values.auth.tls.existingSecret }}
{{- end }}
