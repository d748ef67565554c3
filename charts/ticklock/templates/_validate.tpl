{{/* Values that contradict each other, told with the mend. What one value alone must be, the schema says. */}}
{{- define "ticklock.validate" -}}
{{- $external := .Values.externalDatabase -}}
{{- $given := or $external.host $external.urlKey -}}
{{- if and .Values.postgresql.enabled $given -}}
{{- fail "there are two databases: set postgresql.enabled=false to use externalDatabase" -}}
{{- end -}}
{{- if not (or .Values.postgresql.enabled $given) -}}
{{- fail "there is no database: set externalDatabase.host, or externalDatabase.existingSecret and .urlKey, or postgresql.enabled=true" -}}
{{- end -}}
{{- if and $external.urlKey (not $external.existingSecret) -}}
{{- fail "externalDatabase.urlKey names a key of externalDatabase.existingSecret, which is empty" -}}
{{- end -}}
{{- if and $external.password $external.existingSecret -}}
{{- fail "externalDatabase.password and externalDatabase.existingSecret are both set; give one of them" -}}
{{- end -}}
{{- if and $external.urlKey $external.directHost -}}
{{- fail "externalDatabase.directHost cannot go with externalDatabase.urlKey: set TICKLOCK_DATABASE_DIRECT_URL by extraEnv" -}}
{{- end -}}
{{- if and (eq $external.tls.mode "verify-ca") (not $external.tls.caSecret) -}}
{{- fail "externalDatabase.tls.mode verify-ca needs externalDatabase.tls.caSecret; without an authority of your own use verify-full" -}}
{{- end -}}
{{- $grace := get .Values.settings "grace_seconds" | default 25 | float64 -}}
{{- if lt (float64 .Values.terminationGracePeriodSeconds) (addf $grace 10) -}}
{{- fail "terminationGracePeriodSeconds must be at least settings.grace_seconds (25 where unset) + 10, or a leader is killed before it gives the Lease back" -}}
{{- end -}}
{{- end -}}
