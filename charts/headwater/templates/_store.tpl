{{/* The pool's store: the chart's MinIO where it is enabled and nothing else is named. */}}
{{- define "headwater.usesMinio" -}}
{{- if and .Values.minio.enabled (not .Values.store.url) -}}true{{- end -}}
{{- end -}}

{{- define "headwater.storeUrl" -}}
{{- if include "headwater.usesMinio" . -}}
{{- printf "s3://%s" .Values.minio.bucket -}}
{{- else -}}
{{- .Values.store.url -}}
{{- end -}}
{{- end -}}

{{- define "headwater.storeEndpoint" -}}
{{- if include "headwater.usesMinio" . -}}
{{- printf "http://%s-minio.%s.svc:9000" (include "headwater.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- .Values.store.endpoint | default "" -}}
{{- end -}}
{{- end -}}

{{- define "headwater.storeSecret" -}}
{{- if include "headwater.usesMinio" . -}}
{{- printf "%s-minio" (include "headwater.fullname" .) -}}
{{- else -}}
{{- .Values.store.existingSecret -}}
{{- end -}}
{{- end -}}

{{/* Protocols that the pool offers, as a YAML list. */}}
{{- define "headwater.protocols" -}}
{{- $offered := without .Values.streams.protocols "RTMPS" -}}
{{- if .Values.tls.secretName -}}
{{- $offered = append $offered "RTMPS" -}}
{{- end -}}
{{- toYaml $offered -}}
{{- end -}}
