{{/* What the operator may do where its PredictiveScalers live. docs/how-to/install.md says why. Given the root. */}}
{{- define "aiops.operatorRules" -}}
- apiGroups: [aiops.dev]
  resources: [predictivescalers]
  verbs: [get, list, watch, patch]
- apiGroups: [aiops.dev]
  resources: [predictivescalers/status]
  verbs: [patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list{{ if .Values.operator.allow.floor }}, patch{{ end }}]
{{- range .Values.operator.targets }}
- apiGroups: [{{ .apiGroup | quote }}]
  resources: [{{ .resource }}]
  verbs: [get]
- apiGroups: [{{ .apiGroup | quote }}]
  resources: [{{ .resource }}/scale]
  verbs: [get{{ if $.Values.operator.allow.direct }}, patch{{ end }}]
{{- end }}
{{- if .Values.operator.allow.pods }}
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- end }}
{{- if .Values.operator.allow.quotas }}
- apiGroups: [""]
  resources: [resourcequotas]
  verbs: [list]
{{- end }}
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
