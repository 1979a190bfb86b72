{{/* What the operator may do in the namespaces that it watches. */}}
{{- define "headwater.operatorRules" -}}
- apiGroups: [headwater.dev]
  resources: [livestreams]
  verbs: [get, list, watch, patch]
- apiGroups: [headwater.dev]
  resources: [recordingpolicies]
  verbs: [get, list, watch]
- apiGroups: [headwater.dev]
  resources: [livestreams/status]
  verbs: [get, patch]
- apiGroups: [headwater.dev]
  resources: [livestreams/finalizers]
  verbs: [update]
# What it makes for a LiveStream goes with that, by the garbage collector: it deletes nothing. Secrets are read by name and watched as
# metadata; the admission policy keeps writes to three types.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
