{{/* Names. Those of the cluster's own objects are fixed: so Helm refuses a second installation that would serve the same
ScheduledJobs. */}}
{{- define "ticklock.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "ticklock.fullname" -}}
{{- $name := include "ticklock.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "ticklock.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ticklock.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "ticklock.priorityClassName" -}}
{{- if .Values.priorityClassName -}}
{{- .Values.priorityClassName -}}
{{- else if and .Values.priorityClass.create (not .Values.namespaced) -}}
ticklock
{{- end -}}
{{- end -}}

{{/* Labels. `dict "root" $ "component" "controller"` */}}
{{- define "ticklock.selectorLabels" -}}
app.kubernetes.io/name: {{ include "ticklock.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* A selector of the pods of one rollout: in another, the old ones would count. */}}
{{- define "ticklock.ofOneRollout" -}}
matchLabelKeys: [pod-template-hash]
labelSelector:
  matchLabels:
    {{- include "ticklock.selectorLabels" . | nindent 4 }}
{{- end -}}

{{- define "ticklock.labels" -}}
{{ include "ticklock.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: ticklock
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The metadata of an object but its name: `dict "root" $ "component" "…" "annotations" (dict …)` */}}
{{- define "ticklock.metadata" -}}
{{- if not .clusterwide }}
namespace: {{ .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "ticklock.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (deepCopy (default dict .annotations)) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The metadata of a hook: what it belongs to, when, and in which order. */}}
{{- define "ticklock.hook" -}}
{{- if not .clusterwide }}
namespace: {{ .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "ticklock.labels" . | nindent 2 }}
annotations:
  helm.sh/hook: {{ .hook }}
  helm.sh/hook-weight: {{ .weight | quote }}
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded{{ .policy }}
{{- end -}}

{{/* An image, from `repository`, `tag` and `digest`. */}}
{{- define "ticklock.imageOf" -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag }}
{{- end -}}
{{- end -}}

{{- define "ticklock.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- include "ticklock.imageOf" (dict "repository" .Values.image.repository "tag" $tag "digest" .Values.image.digest) -}}
{{- end -}}

{{/* What every container of ours begins with. */}}
{{- define "ticklock.container" -}}
image: {{ include "ticklock.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end -}}

{{- define "ticklock.podSpec" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The rules of a role, from the one manifest of them. Within a namespace, that namespace is what identifies us. */}}
{{- define "ticklock.rules" -}}
{{- $rules := .root.Files.Get (printf "files/rules/%s.yaml" .role) | replace "[ticklock]" (printf "[%s]" (include "ticklock.fullname" .root)) -}}
{{- if .root.Values.namespaced -}}
{{- $rules = replace "kube-system" .root.Release.Namespace $rules -}}
{{- end -}}
{{- $rules | trim -}}
{{- end -}}
