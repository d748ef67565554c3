"""CronJobs as people write them: valid for batch/v1, with what a careless schema would lose or refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Shape:
    """One manifest of a CronJob; `spec` and `metadata` as text, so that it reads as its users write it."""

    name: str
    spec: str

    def manifest(self, api_version: str = "batch/v1", kind: str = "CronJob") -> dict[str, Any]:
        """Return the manifest, under this or another apiVersion and kind."""
        spec = yaml.safe_load(self.spec)
        name = self.name.replace(" ", "-").replace(",", "")
        return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


SHAPES = [
    Shape(
        "smallest possible",
        """
        schedule: "* * * * ?"
        jobTemplate: {spec: {template: {spec: {restartPolicy: OnFailure, containers: [{name: a, image: a}]}}}}
        """,
    ),
    Shape(
        "as kubectl prints it",
        """
        schedule: "*/5 * * * *"
        jobTemplate:
          metadata: {creationTimestamp: null, name: printed}
          spec:
            template:
              metadata: {creationTimestamp: null}
              spec:
                restartPolicy: OnFailure
                containers: [{name: a, image: a, resources: {}}]
                securityContext: {}
                dnsPolicy: ClusterFirst
                schedulerName: default-scheduler
                terminationGracePeriodSeconds: 30
        """,
    ),
    Shape(
        "every field of its own",
        """
        schedule: "0 22 * * MON-FRI"
        timeZone: America/Argentina/ComodRivadavia
        suspend: true
        concurrencyPolicy: Replace
        startingDeadlineSeconds: 0
        successfulJobsHistoryLimit: 0
        failedJobsHistoryLimit: 7
        jobTemplate:
          metadata:
            labels: {app.kubernetes.io/name: report, team: billing}
            annotations: {example.com/owner: "someone, somewhere"}
          spec:
            suspend: true
            activeDeadlineSeconds: 3600
            backoffLimit: 0
            ttlSecondsAfterFinished: 100
            podReplacementPolicy: TerminatingOrFailed
            managedBy: kubernetes.io/job-controller
            manualSelector: false
            template:
              metadata: {labels: {app: report}, annotations: {example.com/scrape: "false"}, finalizers: [a.example/x]}
              spec: {restartPolicy: Never, containers: [{name: a, image: a}]}
        """,
    ),
    Shape(
        "sidecar and init containers",
        """
        schedule: "@daily"
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: Never
                initContainers:
                  - {name: fetch, image: a, command: [sh, -c, "wget http://config/"]}
                  - name: proxy
                    image: b
                    restartPolicy: Always
                    ports: [{containerPort: 8080, name: http}, {containerPort: 8080, protocol: UDP}]
                    startupProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1}
                    readinessProbe: {tcpSocket: {port: 8080}}
                containers:
                  - name: a
                    image: a
                    lifecycle: {preStop: {exec: {command: [sleep, "1"]}}}
        """,
    ),
    Shape(
        "volumes of many kinds",
        """
        schedule: "0 0 1,15 * *"
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: Never
                volumes:
                  - {name: scratch, emptyDir: {}}
                  - {name: memory, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
                  - {name: config, configMap: {name: c, defaultMode: 420, items: [{key: k, path: p}], optional: true}}
                  - {name: claim, persistentVolumeClaim: {claimName: data, readOnly: true}}
                  - name: fresh
                    ephemeral:
                      volumeClaimTemplate:
                        metadata: {labels: {kind: fresh}}
                        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
                  - name: mixed
                    projected:
                      sources:
                        - secret: {name: s}
                        - serviceAccountToken: {path: token, audience: vault, expirationSeconds: 3600}
                        - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
                containers:
                  - name: a
                    image: a
                    volumeMounts:
                      - {name: scratch, mountPath: /scratch, subPathExpr: $(POD)}
                      - {name: config, mountPath: /etc/config, readOnly: true}
        """,
    ),
    Shape(
        "environment with repeats",
        """
        schedule: "15 3 * * *"
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: Never
                imagePullSecrets: [{name: registry}, {name: registry}]
                hostAliases: [{ip: 10.0.0.1, hostnames: [a]}, {ip: 10.0.0.1, hostnames: [b]}]
                containers:
                  - name: a
                    image: a
                    env:
                      - {name: PATH, value: /bin}
                      - {name: PATH, value: "$(PATH):/usr/bin"}
                      - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
                      - {name: LIMIT, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
                      - {name: KEY, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}
                    envFrom: [{prefix: P_, configMapRef: {name: c}}]
        """,
    ),
    Shape(
        "quantities in every notation",
        """
        schedule: "45 4 * * 6"
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: Never
                containers:
                  - name: a
                    image: a
                    resources:
                      requests: {cpu: 0.5, memory: 1000000, ephemeral-storage: "1e3"}
                      limits: {cpu: 2, memory: "134217728", example.com/gpu: "1", ephemeral-storage: 1.5Gi}
        """,
    ),
    Shape(
        "affinity, tolerations and spread",
        """
        schedule: "0 */2 * * *"
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: Never
                nodeSelector: {kubernetes.io/os: linux}
                priorityClassName: system-node-critical
                tolerations:
                  - {key: batch, operator: Exists, effect: NoSchedule}
                  - {operator: Exists, tolerationSeconds: 30, effect: NoExecute}
                topologySpreadConstraints:
                  - maxSkew: 1
                    topologyKey: topology.kubernetes.io/zone
                    whenUnsatisfiable: DoNotSchedule
                    labelSelector: {matchExpressions: [{key: app, operator: In, values: [report]}]}
                affinity:
                  nodeAffinity:
                    requiredDuringSchedulingIgnoredDuringExecution:
                      nodeSelectorTerms:
                        - matchExpressions: [{key: disk, operator: NotIn, values: [slow]}]
                  podAntiAffinity:
                    preferredDuringSchedulingIgnoredDuringExecution:
                      - weight: 100
                        podAffinityTerm:
                          topologyKey: kubernetes.io/hostname
                          labelSelector: {matchLabels: {app: report}}
                containers: [{name: a, image: a}]
        """,
    ),
    Shape(
        "security contexts",
        """
        schedule: "0 5 * JAN,jul *"
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: Never
                serviceAccountName: reporter
                automountServiceAccountToken: false
                hostUsers: false
                enableServiceLinks: false
                securityContext:
                  runAsNonRoot: true
                  runAsUser: 65534
                  fsGroup: 2000
                  fsGroupChangePolicy: OnRootMismatch
                  supplementalGroups: [1, 2]
                  seccompProfile: {type: RuntimeDefault}
                  sysctls: [{name: net.ipv4.tcp_syncookies, value: "1"}]
                containers:
                  - name: a
                    image: a
                    securityContext:
                      allowPrivilegeEscalation: false
                      readOnlyRootFilesystem: true
                      capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
                      seLinuxOptions: {level: "s0:c123,c456"}
        """,
    ),
    Shape(
        "indexed with a pod failure policy",
        """
        schedule: "0 6 ? * *"
        jobTemplate:
          spec:
            completionMode: Indexed
            completions: 5
            parallelism: 2
            backoffLimitPerIndex: 1
            maxFailedIndexes: 3
            podFailurePolicy:
              rules:
                - {action: FailIndex, onExitCodes: {containerName: a, operator: In, values: [1, 42]}}
                - {action: Ignore, onPodConditions: [{type: DisruptionTarget, status: "True"}]}
            successPolicy: {rules: [{succeededIndexes: "0-1,3", succeededCount: 2}]}
            template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}
        """,
    ),
]
