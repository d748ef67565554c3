{{/* Where the database is, and how it is believed. Passwords are files, never in a URL or a variable. */}}
{{- define "ticklock.postgresqlName" -}}
{{ include "ticklock.fullname" . }}-postgresql
{{- end -}}

{{- define "ticklock.databaseSecret" -}}
{{- if .Values.postgresql.enabled -}}
{{- default (include "ticklock.postgresqlName" .) .Values.postgresql.existingSecret -}}
{{- else if .Values.externalDatabase.existingSecret -}}
{{- .Values.externalDatabase.existingSecret -}}
{{- else if .Values.externalDatabase.password -}}
{{ include "ticklock.fullname" . }}-database
{{- end -}}
{{- end -}}

{{/* The key of the password in that Secret; empty where there is none. */}}
{{- define "ticklock.passwordKey" -}}
{{- if .Values.postgresql.enabled -}}
password
{{- else if and (include "ticklock.databaseSecret" .) (not .Values.externalDatabase.urlKey) -}}
{{- ternary .Values.externalDatabase.passwordKey "password" (ne .Values.externalDatabase.existingSecret "") -}}
{{- end -}}
{{- end -}}

{{/* `dict "user" … "host" … "port" … "name" … "parameters" (dict …)` */}}
{{- define "ticklock.url" -}}
{{- $port := .port | int -}}
{{- $places := list -}}
{{- range splitList "," .host -}}
{{- $places = append $places (printf "%s:%d" (trim .) $port) -}}
{{- end -}}
{{- $query := list -}}
{{- range $name, $value := .parameters -}}
{{- $query = append $query (printf "%s=%s" $name (include "ticklock.escaped" (toString $value))) -}}
{{- end -}}
postgresql://{{ include "ticklock.escaped" .user }}@{{ join "," $places }}/{{ include "ticklock.escaped" .name }}
{{- if $query }}?{{ join "&" $query }}{{ end }}
{{- end -}}

{{- define "ticklock.escaped" -}}
{{- . | urlquery | replace "+" "%20" -}}
{{- end -}}

{{- define "ticklock.databaseEnv" -}}
{{- $external := .Values.externalDatabase -}}
- name: TICKLOCK_DATABASE_URL
{{- if .Values.postgresql.enabled }}
  {{- $bundled := dict "user" .Values.postgresql.user "host" (include "ticklock.postgresqlName" .) "port" 5432 "name" .Values.postgresql.database }}
  value: {{ include "ticklock.url" $bundled | quote }}
{{- else if $external.urlKey }}
  valueFrom:
    secretKeyRef:
      name: {{ $external.existingSecret }}
      key: {{ $external.urlKey }}
{{- else }}
  value: {{ include "ticklock.url" $external | quote }}
{{- end }}
{{- if include "ticklock.passwordKey" . }}
- name: TICKLOCK_DATABASE_PASSWORD_FILE
  value: /etc/ticklock/database/password
{{- end }}
{{- if .Values.postgresql.enabled }}
- name: PGSSLMODE
  value: disable
{{- else }}
{{- if $external.directHost }}
- name: TICKLOCK_DATABASE_DIRECT_URL
  value: {{ include "ticklock.url" (merge (dict "host" $external.directHost "port" $external.directPort) $external) | quote }}
{{- end }}
{{- include "ticklock.tlsEnv" . }}
{{- end }}
{{- end -}}

{{/* libpq's own variables, so that they count beside a URL from a Secret too. What a URL says comes first. */}}
{{- define "ticklock.tlsEnv" -}}
{{- $tls := .Values.externalDatabase.tls }}
- name: PGSSLMODE
  value: {{ $tls.mode }}
{{- if $tls.caSecret }}
- name: PGSSLROOTCERT
  value: /etc/ticklock/database-ca/ca.crt
{{- else if eq $tls.mode "verify-full" }}
- name: PGSSLROOTCERT
  value: system
- name: SSL_CERT_FILE
  value: /etc/ssl/certs/ca-certificates.crt
{{- end }}
{{- if $tls.clientSecret }}
- name: PGSSLCERT
  value: /etc/ticklock/database-client/tls.crt
- name: PGSSLKEY
  value: /etc/ticklock/database-client/tls.key
{{- end }}
{{- end -}}

{{- define "ticklock.databaseVolumeMounts" -}}
{{- $tls := .Values.externalDatabase.tls }}
{{- if include "ticklock.passwordKey" . }}
- name: database
  mountPath: /etc/ticklock/database
  readOnly: true
{{- end }}
{{- if and (not .Values.postgresql.enabled) $tls.caSecret }}
- name: database-ca
  mountPath: /etc/ticklock/database-ca
  readOnly: true
{{- end }}
{{- if and (not .Values.postgresql.enabled) $tls.clientSecret }}
- name: database-client
  mountPath: /etc/ticklock/database-client
  readOnly: true
{{- end }}
{{- end -}}

{{/* Mode 0440: readable by the pod's group, and little enough for libpq to take a client's key. */}}
{{- define "ticklock.databaseVolumes" -}}
{{- $tls := .Values.externalDatabase.tls }}
{{- if include "ticklock.passwordKey" . }}
- name: database
  secret:
    secretName: {{ include "ticklock.databaseSecret" . }}
    defaultMode: 288
    items:
      - key: {{ include "ticklock.passwordKey" . }}
        path: password
{{- end }}
{{- if and (not .Values.postgresql.enabled) $tls.caSecret }}
- name: database-ca
  secret:
    secretName: {{ $tls.caSecret }}
    defaultMode: 288
    items:
      - key: {{ $tls.caKey }}
        path: ca.crt
{{- end }}
{{- if and (not .Values.postgresql.enabled) $tls.clientSecret }}
- name: database-client
  secret:
    secretName: {{ $tls.clientSecret }}
    defaultMode: 288
{{- end }}
{{- end -}}

{{- define "ticklock.pgReady" -}}
{{- $command := list "pg_isready" "--quiet" "--host=127.0.0.1" (printf "--username=%s" .Values.postgresql.user) (printf "--dbname=%s" .Values.postgresql.database) -}}
{{- dict "command" $command | toJson -}}
{{- end -}}
