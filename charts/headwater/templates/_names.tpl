{{/* Names. Cluster-scoped ones carry namespace and release, so that releases do not meet. */}}

{{- define "headwater.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "headwater.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "headwater.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "headwater.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "headwater.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "headwater.fullname" .) -}}
{{- end -}}

{{- define "headwater.runtimeNamespace" -}}
{{- $name := printf "%s-%s-runtime" .Release.Namespace .Release.Name -}}
{{- if gt (len $name) 63 -}}
{{- fail (printf "the runtime namespace would be named %s, which has %d characters and not 63 at most: take a shorter name for the release, or for its namespace" $name (len $name)) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "headwater.operatorAccount" -}}
{{- if .Values.operator.serviceAccount.create -}}
{{- default (printf "%s-operator" (include "headwater.fullname" .)) .Values.operator.serviceAccount.name -}}
{{- else -}}
{{- required "operator.serviceAccount.name: name the account, or set operator.serviceAccount.create=true" .Values.operator.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "headwater.ingestAccount" -}}
{{- if .Values.ingest.serviceAccount.create -}}
{{- default (printf "%s-ingest" (include "headwater.fullname" .)) .Values.ingest.serviceAccount.name -}}
{{- else -}}
{{- required "ingest.serviceAccount.name: name the account, or set ingest.serviceAccount.create=true" .Values.ingest.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "headwater.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Labels of everything; of what is selected by, for a component. */}}
{{- define "headwater.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
app.kubernetes.io/name: {{ include "headwater.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "headwater.selector" -}}
app.kubernetes.io/name: {{ include "headwater.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}
