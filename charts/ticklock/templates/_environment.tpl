{{/* The variables of a replica, and those of migrations: they read the same settings. */}}
{{- define "ticklock.env" -}}
{{ include "ticklock.databaseEnv" . }}
{{ include "ticklock.leaseEnv" . }}
- name: TICKLOCK_HTTP_PORT
  value: {{ .Values.service.port | quote }}
{{- range $name, $value := .Values.settings }}
- name: TICKLOCK_{{ upper $name }}
  value: {{ toString $value | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Which installation it is. */}}
{{- define "ticklock.leaseEnv" -}}
- name: TICKLOCK_LEASE_NAMESPACE
  value: {{ .Release.Namespace }}
- name: TICKLOCK_LEASE_NAME
  value: {{ include "ticklock.fullname" . }}
{{- if .Values.namespaced }}
- name: TICKLOCK_WATCH_NAMESPACE
  value: {{ .Release.Namespace }}
{{- end }}
{{- end -}}

{{- define "ticklock.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- include "ticklock.databaseVolumeMounts" . }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
