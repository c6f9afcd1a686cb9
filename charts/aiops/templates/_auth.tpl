{{- define "aiops.tokenSecret" -}}
{{- default (printf "%s-token" (include "aiops.fullname" .)) .Values.auth.token.existingSecret }}
{{- end }}

{{- define "aiops.tlsSecret" -}}
{{- default (printf "%s-tls" (include "aiops.fullname" .)) .Values.auth.tls.existingSecret }}
{{- end }}

{{/*
Data of the Secrets that the chart makes, as YAML: what the cluster has of them, else new. Made once in a rendering, so
that the Secrets and the checksums of the pods agree.
*/}}
{{- define "aiops.madeSecrets" -}}
{{- if not (hasKey .Values "madeSecrets") }}
{{- $made := dict }}
{{- if and .Values.server.enabled (not .Values.auth.token.existingSecret) }}
{{- $found := lookup "v1" "Secret" .Release.Namespace (include "aiops.tokenSecret" .) }}
{{- $new := dict .Values.auth.token.key (randAlphaNum 48 | b64enc) }}
{{- $_ := set $made "token" (dig "data" $new (default dict $found)) }}
{{- end }}
{{- if and .Values.server.enabled .Values.auth.tls.enabled (not .Values.auth.tls.existingSecret) }}
{{- $found := lookup "v1" "Secret" .Release.Namespace (include "aiops.tlsSecret" .) }}
{{- if $found }}
{{- $_ := set $made "tls" $found.data }}
{{- else }}
{{- $name := include "aiops.server" . }}
{{- $service := printf "%s.%s.svc" $name .Release.Namespace }}
{{- $names := list $service $name (printf "%s.%s" $name .Release.Namespace) "localhost" }}
{{- $authority := genCA (printf "%s authority" $name) 3650 }}
{{- $pair := genSignedCert $service (list "127.0.0.1") $names 3650 $authority }}
{{- $new := dict "tls.crt" ($pair.Cert | b64enc) "tls.key" ($pair.Key | b64enc) "ca.crt" ($authority.Cert | b64enc) }}
{{- $_ := set $made "tls" $new }}
{{- end }}
{{- end }}
{{- $_ := set .Values "madeSecrets" $made }}
{{- end }}
{{- toYaml .Values.madeSecrets }}
{{- end }}
